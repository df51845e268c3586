/* Preloaded into tests/chaos/killing.py: the nth call that writes a file kills the process, fails, or is torn. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { NOTHING, KILL, FAIL, FULL, TORN };

static long passed, nth;
static int kind, paused;

void hefu_arm(long at, int what) { passed = 0; nth = at; kind = what; paused = 0; }
void hefu_pause(int on) { paused = on; }
long hefu_passed(void) { return passed; }

static int due(int descriptor) {
    struct stat about;
    if (paused || (descriptor >= 0 && (fstat(descriptor, &about) || !S_ISREG(about.st_mode)))) return NOTHING;
    if (++passed != nth) return NOTHING;
    if (kind == KILL) kill(getpid(), SIGKILL);
    if (kind == FAIL) errno = EIO;
    if (kind == FULL) errno = ENOSPC;
    return kind;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define WRITER(name, position, ...) \
    { \
        static __typeof__(&name) real; \
        int now = due(descriptor); \
        if (!real) real = REAL(name); \
        if (now == TORN) { if (size > 1) real(descriptor, data, size / 2 position); kill(getpid(), SIGKILL); } \
        return now ? -1 : real(descriptor, data, size position); \
    }

#define SYNCER(name, arguments, descriptor) \
    { \
        static __typeof__(&name) real; \
        int now = due(descriptor); \
        if (!real) real = REAL(name); \
        if (now == TORN) kill(getpid(), SIGKILL); \
        return now ? -1 : real arguments; \
    }

#define COMMA_AT , at
ssize_t write(int descriptor, const void *data, size_t size) WRITER(write, )
ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at) WRITER(pwrite, COMMA_AT)
ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t at) WRITER(pwrite64, COMMA_AT)
int fsync(int descriptor) SYNCER(fsync, (descriptor), descriptor)
int fdatasync(int descriptor) SYNCER(fdatasync, (descriptor), descriptor)
int ftruncate(int descriptor, off_t size) SYNCER(ftruncate, (descriptor, size), descriptor)
int ftruncate64(int descriptor, off64_t size) SYNCER(ftruncate64, (descriptor, size), descriptor)
int rename(const char *from, const char *to) SYNCER(rename, (from, to), -1)
int unlink(const char *path) SYNCER(unlink, (path), -1)
