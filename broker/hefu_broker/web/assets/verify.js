// Verifies what the page shows of the log, in the browser, from the log's public tiles and checkpoint alone.
//
// Named checks: origin, key, signature, root, consistency, shown, inclusion. Each ends as ok, bad or unknown, and says
// so in words. What was verified is remembered (localStorage): the key at the first visit or as its owner pinned it,
// and the newest checkpoint that held. What does not hold is never remembered.
//
// Source: RFC 6962 section 2.1, RFC 9162 sections 2.1.3.2 and 2.1.4.2; C2SP signed-note, tlog-checkpoint, tlog-tiles.
"use strict";

(() => {
  const place = document.getElementById("verification");
  if (!place) return;
  const zh = document.documentElement.lang.startsWith("zh");
  const say = (en, cn) => (zh ? cn : en);
  const { prefix, origin, key: shownKey } = place.dataset;
  const WIDTH = 256, HASH = 32;
  const store = {
    read(name) {
      try { return JSON.parse(localStorage.getItem(`hefu:${prefix}:${name}`)); } catch { return null; }
    },
    write(name, value) {
      try { localStorage.setItem(`hefu:${prefix}:${name}`, JSON.stringify(value)); return true; } catch { return false; }
    },
  };

  // --- bytes -------------------------------------------------------------------------------------------------------
  const bytesOf = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const hex = (bytes) => Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
  const same = (a, b) => a.length === b.length && a.every((each, at) => each === b[at]);
  const join = (...parts) => {
    const made = new Uint8Array(parts.reduce((sum, each) => sum + each.length, 0));
    let at = 0;
    for (const each of parts) { made.set(each, at); at += each.length; }
    return made;
  };
  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const leafHash = (entry) => sha256(join(Uint8Array.of(0), entry));
  const nodeHash = (left, right) => sha256(join(Uint8Array.of(1), left, right));
  const utf8 = (text) => new TextEncoder().encode(text);

  class Failed extends Error {}

  // --- the tree, read from tiles -----------------------------------------------------------------------------------
  const tilePath = (level, index, width) => {
    const digits = String(index);
    const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
    const groups = padded.match(/.{3}/g).map((each, at, all) => (at < all.length - 1 ? `x${each}` : each));
    return `${prefix}/tile/${level}/${groups.join("/")}${width < WIDTH ? `.p/${width}` : ""}`;
  };

  const reader = (size) => {
    const tiles = new Map(), tops = new Map();
    const tile = (level, index) => {
      const at = `${level}/${index}`;
      if (!tiles.has(at)) {
        const width = Math.min(WIDTH, Math.floor(size / WIDTH ** level) - index * WIDTH);
        tiles.set(at, fetch(tilePath(level, index, width), { credentials: "omit" }).then(async (answer) => {
          if (!answer.ok) throw new Failed(say(`the broker does not give tile ${at}`, `平台未提供瓦片 ${at}`));
          const data = new Uint8Array(await answer.arrayBuffer());
          if (data.length !== width * HASH) throw new Failed(say(`tile ${at} is of a wrong length`, `瓦片 ${at} 长度有误`));
          return data;
        }));
      }
      return tiles.get(at);
    };
    const top = async (hashes) => {
      let row = hashes;
      while (row.length > 1) {
        const above = [];
        for (let at = 0; at < row.length; at += 2) above.push(nodeHash(row[at], row[at + 1]));
        row = await Promise.all(above);
      }
      return row[0];
    };
    return (level, index) => {
      const at = `${level}/${index}`;
      if (!tops.has(at)) {
        const tileLevel = Math.floor(level / 8), count = 2 ** (level % 8);
        const first = index * count, inTile = first % WIDTH;
        tops.set(at, tile(tileLevel, Math.floor(first / WIDTH)).then((data) => top(
          Array.from({ length: count }, (_, each) => data.slice((inTile + each) * HASH, (inTile + each + 1) * HASH)),
        )));
      }
      return tops.get(at);
    };
  };

  const splitOf = (size) => { let split = 1; while (split * 2 < size) split *= 2; return split; };
  const rangeHash = async (start, end, read) => {
    const parts = [];
    while (start < end) {
      let level = 0;
      while (2 ** (level + 1) <= end - start) level += 1;
      parts.push(read(level, start / 2 ** level));
      start += 2 ** level;
    }
    const hashes = await Promise.all(parts);
    let computed = hashes.pop();
    while (hashes.length) computed = await nodeHash(hashes.pop(), computed);
    return computed;
  };
  const rootOf = async (size, read) => (size ? rangeHash(0, size, read) : sha256(new Uint8Array()));

  const inclusionProof = (index, size, read) => {
    const path = [];
    let start = 0, end = size;
    while (end - start > 1) {
      const split = start + splitOf(end - start);
      if (index < split) { path.push(rangeHash(split, end, read)); end = split; }
      else { path.push(rangeHash(start, split, read)); start = split; }
    }
    return Promise.all(path.reverse());
  };
  const consistencyProof = (old, size, read) => {
    const path = [];
    let start = 0, end = size;
    while (old !== end) {
      const split = start + splitOf(end - start);
      if (old <= split) { path.push(rangeHash(split, end, read)); end = split; }
      else { path.push(rangeHash(start, split, read)); start = split; }
    }
    if (start) path.push(rangeHash(start, end, read));
    return Promise.all(path.reverse());
  };

  const half = (number) => Math.floor(number / 2);
  const includes = async (leaf, index, size, proof, root) => { // RFC 9162 section 2.1.3.2
    if (!(index >= 0 && index < size)) return false;
    let fn = index, sn = size - 1, computed = leaf;
    for (const step of proof) {
      if (sn === 0) return false;
      if (fn % 2 || fn === sn) {
        computed = await nodeHash(step, computed);
        while (fn % 2 === 0 && fn) { fn = half(fn); sn = half(sn); }
      } else computed = await nodeHash(computed, step);
      fn = half(fn); sn = half(sn);
    }
    return sn === 0 && same(computed, root);
  };
  const extendsTree = async (old, size, oldRoot, root, proof) => { // RFC 9162 section 2.1.4.2
    if (old === size) return same(oldRoot, root);
    if (!(old > 0 && old < size) || !proof.length) return false;
    const power = Number.isInteger(Math.log2(old));
    const path = power ? [oldRoot, ...proof] : [...proof];
    let fn = old - 1, sn = size - 1;
    while (fn % 2) { fn = half(fn); sn = half(sn); }
    let fr = path[0], sr = path[0];
    for (const step of path.slice(1)) {
      if (sn === 0) return false;
      if (fn % 2 || fn === sn) {
        fr = await nodeHash(step, fr); sr = await nodeHash(step, sr);
        while (fn % 2 === 0 && fn) { fn = half(fn); sn = half(sn); }
      } else sr = await nodeHash(sr, step);
      fn = half(fn); sn = half(sn);
    }
    return same(fr, oldRoot) && same(sr, root) && sn === 0;
  };

  // --- the checkpoint ----------------------------------------------------------------------------------------------
  const readKey = async (vkey) => {
    const [name, id, encoded] = [vkey.split("+")[0], vkey.split("+")[1], vkey.split("+").slice(2).join("+")];
    const raw = bytesOf(encoded || "");
    const found = hex((await sha256(join(utf8(`${name}\n`), raw))).slice(0, 4));
    if (raw.length !== 33 || raw[0] !== 1 || found !== id) throw new Failed(say("not a log's key", "不是日志公钥"));
    return { name, id, raw: raw.slice(1) };
  };
  const readNote = (note) => {
    const cut = note.lastIndexOf("\n\n");
    const lines = note.slice(0, cut).split("\n");
    if (cut < 0 || lines.length !== 3 || !/^(0|[1-9][0-9]{0,14})$/.test(lines[1])) throw new Failed(say("not a checkpoint", "不是检查点"));
    const root = bytesOf(lines[2]);
    if (root.length !== HASH) throw new Failed(say("not a checkpoint", "不是检查点"));
    const signatures = note.slice(cut + 2).split("\n").filter(Boolean).map((each) => /^\u2014 (\S+) (\S+)$/.exec(each));
    if (signatures.includes(null)) throw new Failed(say("not a signed note", "不是签名文本"));
    return { text: note.slice(0, cut + 1), origin: lines[0], size: Number(lines[1]), root, signatures };
  };
  const isSigned = async (note, key) => {
    const mine = note.signatures.filter(([, name, value]) => name === key.name && hex(bytesOf(value).slice(0, 4)) === key.id);
    if (!mine.length) return false;
    const imported = await crypto.subtle.importKey("raw", key.raw, { name: "Ed25519" }, false, ["verify"]);
    for (const [, , value] of mine) {
      if (!await crypto.subtle.verify({ name: "Ed25519" }, imported, bytesOf(value).slice(4), utf8(note.text))) return false;
    }
    return true;
  };

  // --- what is told ------------------------------------------------------------------------------------------------
  const MARKS = { ok: "✓", bad: "✗", unknown: "?" };
  const checks = document.getElementById("checks"), verdict = document.getElementById("verdict");
  let results = [];
  const tell = (name, result, text) => {
    results.push({ name, result });
    const line = document.createElement("li");
    line.dataset.check = name;
    line.dataset.result = result;
    line.textContent = `${MARKS[result]} ${text}`;
    checks.append(line);
  };
  const guarded = async (name, what, work) => {
    try { return await work(); } catch (fault) {
      const why = fault instanceof Failed ? fault.message : String(fault && fault.message || fault);
      tell(name, "bad", `${what}: ${why}`);
      return undefined;
    }
  };

  const checkKey = async () => {
    const kept = store.read("key");
    const key = await guarded("key", say("the key", "公钥"), () => readKey(kept ? kept.vkey : shownKey));
    if (!key) return undefined;
    if (!kept) {
      store.write("key", { vkey: shownKey, pinned: false });
      tell("key", "unknown", say(
        `First visit: the key ${key.id} is remembered from now on. Compare it with your space file.`,
        `首次访问：自此记住公钥 ${key.id}。请与您的空间文件核对。`));
    } else if (kept.vkey !== shownKey) {
      tell("key", "bad", say(
        `The broker shows another key than the one remembered (${key.id}).`, `平台出示的公钥与所记住的（${key.id}）不同。`));
    } else {
      tell("key", "ok", kept.pinned
        ? say(`The key ${key.id} is the one you pinned.`, `公钥 ${key.id} 即您所固定者。`)
        : say(`The key ${key.id} is the one of your first visit.`, `公钥 ${key.id} 与首次访问时相同。`));
    }
    return key;
  };

  const checkNote = async (key) => {
    const what = say("the checkpoint", "检查点");
    const note = await guarded("origin", what, async () => {
      const answer = await fetch(`${prefix}/checkpoint`, { credentials: "omit", cache: "no-store" });
      if (!answer.ok) throw new Failed(say("the broker gives none", "平台未提供"));
      return readNote(await answer.text());
    });
    if (!note) return undefined;
    const named = note.origin === key.name && note.origin === origin;
    tell("origin", named ? "ok" : "bad", named
      ? say(`The checkpoint is of ${note.origin}, ${note.size} entries.`, `检查点属于 ${note.origin}，共 ${note.size} 个条目。`)
      : say(`The checkpoint is of another log: ${note.origin}.`, `检查点属于另一日志：${note.origin}。`));
    try {
      const good = await isSigned(note, key);
      tell("signature", good ? "ok" : "bad", good
        ? say("Its Ed25519 signature is the key’s.", "其 Ed25519 签名与公钥相符。")
        : say("It is not signed by the key.", "未由该公钥签名。"));
    } catch (fault) {
      if (fault.name === "NotSupportedError") {
        tell("signature", "unknown", say("This browser cannot check Ed25519 signatures.", "该浏览器无法验证 Ed25519 签名。"));
      } else {
        tell("signature", "bad", say("Its signature cannot be read.", "其签名无法读取。"));
      }
    }
    return note;
  };

  const checkRoot = (note, read) => guarded("root", say("the root", "根哈希"), async () => {
    const found = await rootOf(note.size, read);
    const good = same(found, note.root);
    tell("root", good ? "ok" : "bad", good
      ? say("The tiles lead to the checkpoint’s root.", "各瓦片计算所得与检查点根哈希一致。")
      : say("The tiles do not lead to the checkpoint’s root.", "各瓦片计算所得与检查点根哈希不一致。"));
  });

  const checkConsistency = (note, read) => guarded("consistency", say("consistency", "一致性"), async () => {
    const kept = store.read("checkpoint");
    if (!kept) {
      tell("consistency", "unknown", say("First visit: there is no earlier checkpoint to compare with.", "首次访问：尚无更早的检查点可供比较。"));
      return;
    }
    if (kept.origin !== note.origin || note.size < kept.size) {
      tell("consistency", "bad", say(
        `The log has ${note.size} entries, and had ${kept.size}: something was taken away.`,
        `日志现有 ${note.size} 个条目，此前为 ${kept.size} 个：有内容被移除。`));
      return;
    }
    const proof = kept.size && kept.size < note.size ? await consistencyProof(kept.size, note.size, read) : [];
    const good = kept.size === 0 || await extendsTree(kept.size, note.size, bytesOf(kept.root), note.root, proof);
    tell("consistency", good ? "ok" : "bad", good
      ? say(`The ${kept.size} entries that this browser verified before stand unchanged.`, `本浏览器此前验证过的 ${kept.size} 个条目未被改动。`)
      : say(`The ${kept.size} entries that this browser verified before were changed.`, `本浏览器此前验证过的 ${kept.size} 个条目已被改动。`));
  });

  const isShown = (item, envelope) => {
    const said = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(envelope)).payload;
    return item.querySelector(".number").textContent === item.dataset.index
      && item.querySelector(".type").textContent === said.type && item.querySelector(".who").textContent === said.issuer
      && item.querySelector("time").dateTime.slice(0, 19) === said.time.slice(0, 19);
  };
  const checkEntry = async (item, note, read) => {
    const index = Number(item.dataset.index), shown = item.dataset.envelope && bytesOf(item.dataset.envelope);
    const leaf = shown ? await leafHash(shown) : Uint8Array.from(item.dataset.leaf.match(/../g), (each) => parseInt(each, 16));
    const text = item.querySelector(".hash").textContent;
    if (text !== hex(leaf)) return ["shown", say("the entry is not what its hash says", "条目与其哈希不符")];
    const bare = !item.querySelector(".type, .who, time") && item.querySelector(".number").textContent === item.dataset.index;
    if (!shown && !bare) return ["shown", say("the line tells of an entry whose bytes are not given", "所示条目未附原始内容")];
    if (shown && !isShown(item, shown)) return ["shown", say("the line says another thing than the entry", "所示内容与条目不符")];
    const proof = await inclusionProof(index, note.size, read);
    const good = await includes(leaf, index, note.size, proof, note.root);
    return good ? null : ["inclusion", say("the entry is not in the tree", "条目不在哈希树中")];
  };
  const checkEntries = async (note, read) => {
    const bad = { shown: [], inclusion: [] };
    const items = [...document.querySelectorAll("#entries > li")];
    for (const item of items) {
      let found;
      try { found = await checkEntry(item, note, read); } catch (fault) { found = ["inclusion", String(fault && fault.message || fault)]; }
      item.dataset.result = found ? "bad" : "ok";
      item.querySelector(".mark").textContent = found ? `${MARKS.bad} ${found[1]}` : `${MARKS.ok} ${say("in the tree", "在树中")}`;
      if (found) bad[found[0]].push(item.dataset.index);
    }
    const whole = items.length;
    tell("shown", bad.shown.length ? "bad" : "ok", bad.shown.length
      ? say(`Of ${bad.shown.join(", ")} something else is shown than was logged.`, `条目 ${bad.shown.join("、")} 所示内容与入账内容不符。`)
      : say("What is shown of the entries is what was logged.", "所示内容与入账内容一致。"));
    tell("inclusion", bad.inclusion.length ? "bad" : "ok", bad.inclusion.length
      ? say(`Not in the tree: ${bad.inclusion.join(", ")}.`, `不在树中：${bad.inclusion.join("、")}。`)
      : say(`All ${whole} entries of this page are in the tree.`, `本页 ${whole} 个条目均在树中。`));
  };

  const verify = async () => {
    checks.textContent = "";
    results = [];
    verdict.textContent = say("Verifying …", "正在验证……");
    if (!globalThis.crypto || !crypto.subtle) {
      tell("browser", "unknown", say("Browsers verify on https or localhost only.", "浏览器仅在 https 或 localhost 上提供验证功能。"));
    } else {
      const key = await checkKey();
      const note = key && await checkNote(key);
      if (note) {
        const read = reader(note.size);
        await checkRoot(note, read);
        await checkConsistency(note, read);
        await checkEntries(note, read);
        if (!results.some((each) => each.result === "bad")) {
          store.write("checkpoint", { origin: note.origin, size: note.size, root: btoa(String.fromCharCode(...note.root)) });
        }
      }
    }
    const bad = results.filter((each) => each.result === "bad").map((each) => each.name);
    const unknown = results.filter((each) => each.result === "unknown").map((each) => each.name);
    const result = bad.length ? "bad" : results.some((each) => each.result === "ok") ? "ok" : "unknown";
    verdict.dataset.result = result;
    verdict.textContent = bad.length
      ? `${MARKS.bad} ${say("Does not hold", "验证未通过")}: ${bad.join(", ")}`
      : result === "unknown" ? `${MARKS.unknown} ${say("Could not be verified", "无法验证")}`
        : `${MARKS.ok} ${say("Verified", "验证通过")}${unknown.length ? ` (${say("not checked", "未验证")}: ${unknown.join(", ")})` : ""}`;
  };

  const form = document.getElementById("pin");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const vkey = document.getElementById("vkey").value.trim();
    try { await readKey(vkey); } catch { verdict.textContent = say("That is no log’s key.", "这不是日志公钥。"); return; }
    store.write("key", { vkey, pinned: true });
    await verify();
  });
  verify();
})();
