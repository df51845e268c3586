"""The Chinese of the help of what operators, auditors and testers use: the second half of the table of `helps`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_FORMS: Final = "file:PATH（不存在则生成）、env:NAME 或 passphrase"
_DRAWN: Final = "file:PATH (drawn if it is not there), env:NAME or passphrase: what "
_NEW_FILE: Final = "（默认为 ~/.config/hefu/secrets 下的新文件）"
_BELOW: Final = " are encrypted under (default: a new file below ~/.config/hefu/secrets)"

OPERATING: Final[Mapping[str, str]] = {
    # hefu itself
    "show program's version number and exit": "显示版本号并退出",
    "Compute on each other's data without seeing it: the two halves of a tally.":
        "互不可见数据而共同计算：符分两半，相合方成。",
    "verify an evidence bundle offline": "离线验证证据包",
    "read, verify and explain the audit log": "读取、验证并解释审计日志",
    "run the centre of a space: registry, catalog, contracts, audit log":
        "运行空间的中心平台：登记、目录、合约、审计日志",
    "set up and run this participant's connector": "设置并运行本参与方的连接器",
    "a whole data space on this machine, on real data": "在本机以真实数据运行一个完整的数据空间",
    "examine a broker or connector: keys, clock, disk, certificate, ports, backlog":
        "检查平台或连接器：密钥、时钟、磁盘、证书、端口、积压",
    "where this participant's data is": "本参与方的数据所在",
    "a whole space for tests: up, down, its clock, its faults": "供测试用的完整空间：启停、时钟、故障",
    # witness
    "be a witness of the space's log, and show the line for its policy": "成为本空间日志的见证方，并给出策略中的一行",
    "the witness policy, got another way (default: the one that the log's charter pins)":
        "另行取得的见证策略（默认取日志中章程所定者）",
    "cosign the checkpoints of logs, so that nobody can show two histories":
        "联署日志检查点，使任何人都无法出示两份历史",
    "make a directory with a new key, and show the line for the witness policy":
        "建立含新密钥的目录，并给出见证策略中的一行",
    "cosign further logs": "联署更多日志",
    "cosign what leads on, until SIGTERM or Ctrl-C": "联署前后相续的检查点，直至 SIGTERM 或 Ctrl-C",
    "show what was cosigned last, and what was refused": "查看最近的联署与被拒绝的请求",
    "the witness's name, such as regulator-a.example/witness": "见证方名称，例如 regulator-a.example/witness",
    "a space file, got from the operator: its log; may be repeated": "由运营者取得的空间文件：其日志；可多次给出",
    "a log's verifier key; may be repeated": "日志的验证密钥；可多次给出",
    "kind of the key (default: ed25519)": "密钥类型（默认 ed25519）",
    "answer add-checkpoint over HTTP here; port 0 draws one": "在此以 HTTP 受理 add-checkpoint；端口 0 为自动选取",
    "PEM certificate: answer over HTTPS": "PEM 证书：以 HTTPS 受理",
    "PEM key of the certificate": "证书的 PEM 密钥",
    "ask the broker, with the certificate of this auditor": "以该审计方的证书向平台询问",
    "the witness's directory (default: HEFU_WITNESS_DIR, then ./hefu-witness)":
        "见证方目录（默认依次取 HEFU_WITNESS_DIR、./hefu-witness）",
    # audit
    "make a directory with new keys for this auditor": "为本审计方建立含新密钥的目录",
    "become a participant with the role regulator": "以监管方角色加入成为参与方",
    "fetch the whole log as a bundle and verify it": "取得整个日志作为证据包并加以验证",
    "verify a bundle offline, as hefu verify does": "离线验证证据包，与 hefu verify 相同",
    "show every step of one contract, who signed it, and what was spent":
        "查看一份合约的每一步、签署者与已用额度",
    "print a link that opens the log in a browser, or the page of one contract, once and within five minutes":
        "输出一个链接，五分钟内可在浏览器中打开一次日志或某份合约的页面",
    "the agreement, such as agr-… (default: the whole log)": "合约标识，例如 agr-…（默认：整个日志）",
    "the catalog instead": "改为打开目录",
    "what this auditor's keys are encrypted under": "审计方密钥所用的加密口令或密钥",
    "read this bundle (default: fetch one now)": "读取该证据包（默认立即取得）",
    "the one-time token from the operator; needed the first time only": "运营者给出的一次性令牌；仅首次需要",
    "the name to show (default: the participant's)": "显示名称（默认为参与方标识）",
    "the role asked for (default: regulator)": "申请的角色（默认 regulator）",
    "where to write the bundle": "证据包的写入位置",
    "follow the log: verify what is new, apply the rules of watch.json, and tell of alerts":
        "跟踪日志：验证新增内容，按 watch.json 的规则检查，并发出告警",
    "look once: exit code 1 where something new is wrong, 3 if away": "只查看一次：有新异常则退出码为 1，无法连接为 3",
    "seconds between two looks (default: 30)": "两次查看之间的秒数（默认 30）",
    "append alerts here, one JSON document a line": "将告警逐行以 JSON 追加到此文件",
    "post each alert here as a signed statement (HTTPS)": "将每条告警以签名声明发送至此地址（HTTPS）",
    "the auditor's directory (default: HEFU_AUDIT_DIR, then ./hefu-audit)":
        "审计方目录（默认依次取 HEFU_AUDIT_DIR、./hefu-audit）",
    "the space file, got from the operator": "由运营者取得的空间文件",
    "this auditor's own name, such as regulator-a": "本审计方自己的名称，例如 regulator-a",
    "name in the transport certificate (default: the participant)": "传输证书中的名称（默认为参与方）",
    _DRAWN + "the keys" + _BELOW: _FORMS + "：用以加密密钥" + _NEW_FILE,
    "print the filing key that the charter names for this regulator": "显示章程为本监管方所列的归档密钥",
    "open what a contract files for regulators; that is logged first": "开启合约为监管方归档的内容；开启之前先记入日志",
    "an agreement (agr-…), or one computation (cmp-…)": "合约（agr-…）或单次计算（cmp-…）",
    "why; the log and the parties are told": "事由；日志与各方均会获知",
    "the law or rule it rests on; they are told": "所依据的法律或规则；各方均会获知",
    "order the suspension of a contract, a participant or a product, and lift it":
        "指令暂停合约、参与方或产品，以及解除指令",
    "order that nothing is done under it until the order is lifted": "指令暂停：解除之前不得进行任何操作",
    "what kind of thing it is": "对象的种类",
    "its id": "其标识",
    "why; everybody in the space is told": "事由；空间内所有成员均会获知",
    "the law or rule it rests on; everybody is told": "所依据的法律或规则；所有成员均会获知",
    "RFC 3339, when it ends by itself (default: when it is lifted)": "RFC 3339 时间，届时自动终止（默认至解除为止）",
    "lift an order of this regulator": "解除本监管方的指令",
    "its digest, as hefu audit orders list shows it": "指令摘要，见 hefu audit orders list",
    "list the orders of the space": "列出本空间的指令",
    "keep the keys under another secret from now on": "此后改用另一口令保管密钥",
    # broker
    "found a space: the offline root, the broker's keys, the space file":
        "建立空间：离线根、平台密钥、空间文件",
    "add, list and show the spaces that this broker serves": "新增、列出与查看本平台所服务的空间",
    "show and set a space's charter: roles, policy templates, regulators, witnesses":
        "查看与设定空间章程：角色、策略模板、监管方、见证方",
    "a file with the witness policy (C2SP tlog-policy); without it the policy in force stays":
        "见证策略文件（C2SP tlog-policy）；未给出则沿用现行策略",
    "copy the broker's folder while it serves; the secret is never in the copy":
        "在平台运行时复制其文件夹；副本中不含口令",
    "put a copy back into a new folder, which serves nobody before confirm":
        "将副本恢复到新文件夹；确认之前不对外服务",
    "hold a restored broker against the newest checkpoint that anybody has, and let it serve again":
        "以他方持有的最新检查点核对已恢复的平台，然后允许其重新服务",
    "make the folder of a second process of a broker, on the same PostgreSQL; again: bring new spaces into it":
        "为同一 PostgreSQL 上的平台第二进程建立文件夹；再次执行则带入新空间",
    "serve all spaces until SIGTERM or Ctrl-C": "服务所有空间，直至 SIGTERM 或 Ctrl-C",
    "serve the relay as a process of its own, until SIGTERM or Ctrl-C":
        "以独立进程运行中继，直至 SIGTERM 或 Ctrl-C",
    "write an invitation: one file that is enough to join": "写出邀请：凭此一个文件即可加入",
    "make a one-time token for a new participant": "为新参与方生成一次性令牌",
    "list enrolments that wait for the root": "列出等待根密钥认证的入网申请",
    "certify an enrolment with the root's key": "以根密钥认证入网申请",
    "close an enrolment for good": "永久关闭入网申请",
    "sign a certification or charter on the root's own machine": "在根密钥所在的机器上签署认证或章程",
    "let a participant, key or certificate act no more for now": "暂停参与方、密钥或证书",
    "let a participant, key or certificate never act again": "永久吊销参与方、密钥或证书",
    "let a suspended participant act again": "恢复被暂停的参与方",
    "list participants, their roles and standing": "列出参与方及其角色与状态",
    "what this broker's database and keys are encrypted under": "平台数据库与密钥所用的加密口令或密钥",
    "a new folder for the copy": "存放副本的新文件夹",
    "an id from hefu broker pending": "hefu broker pending 所列的标识",
    "write the statement to be signed on the root's machine": "写出待在根密钥机器上签署的声明",
    "take the statement that root-sign wrote": "读入 root-sign 写出的声明",
    "show the newest charter of a space": "查看空间的最新章程",
    "replace a space's charter by a new version, signed with the root's key":
        "以根密钥签署的新版本取代空间章程",
    "a role that members may have": "成员可有的角色",
    "a policy template that offers may use": "报价可用的策略模板",
    "a participant that regulates": "担任监管的参与方",
    "a regulator's filing key, as hefu audit key prints it: contracts are opened to it on a mandate":
        "监管方的归档密钥，由 hefu audit key 给出：合约按授权向其开启",
    "the space's name in a language": "空间在某一语言中的名称",
    "the root's folder, where it is on this machine": "根密钥文件夹（若在本机）",
    "write the charter to be signed: hefu broker root-sign": "写出待签署的章程：hefu broker root-sign",
    "take the charter that root-sign wrote; no other option counts":
        "读入 root-sign 写出的章程；其他选项不起作用",
    "which of the broker's spaces (default: its first)": "平台的哪一个空间（默认第一个）",
    "a checkpoint, such as a regulator's file `checkpoint`; may be repeated, and every space needs one":
        "检查点，例如监管方的 `checkpoint` 文件；可多次给出，每个空间都需要一个",
    "the broker's folder": "平台的文件夹",
    "the id of the space, such as demo": "空间标识，例如 demo",
    "HOST:PORT to serve participants on": "服务参与方的 HOST:PORT",
    "HOST:PORT to serve enrolment on": "受理入网的 HOST:PORT",
    "folder of the offline root (default: DIR-root)": "离线根的文件夹（默认 DIR-root）",
    "the audit log's name (default: hefu.example/SPACE)": "审计日志的名称（默认 hefu.example/SPACE）",
    "HOST:PORT participants dial, where it is another": "参与方所拨的 HOST:PORT（若与前者不同）",
    "the same for enrolment": "入网地址，同上",
    "postgresql://USER@HOST/NAME (default: a file in the folder)":
        "postgresql://USER@HOST/NAME（默认为文件夹中的文件）",
    _DRAWN + "database and keys" + _BELOW: _FORMS + "：用以加密数据库与密钥" + _NEW_FILE,
    "HOST:PORT to relay on, for connectors that nobody can dial": "中继的 HOST:PORT，供无法被拨入的连接器使用",
    "HOST:PORT of the pages for browsers and the log's tiles (default: none)":
        "网页与日志瓦片的 HOST:PORT（默认：不提供）",
    "https://HOST where browsers find them, where it is another": "浏览器访问的 https://HOST，如与前者不同",
    "the same as --public-address for the relay": "中继的对外地址，同 --public-address",
    "the id of the participant, such as hospital-a": "参与方标识，例如 hospital-a",
    "may be repeated": "可多次给出",
    "a new file, readable by you only": "新文件，仅你可读",
    "the participant's name for people (default: its id)": "参与方的显示名称（默认为其标识）",
    "the same in Chinese": "中文名称",
    "how long it may be used (default 24)": "有效时长（默认 24）",
    "the folder of the broker that is there": "现有平台的文件夹",
    "the new folder; keep it like the other: it holds keys": "新文件夹；内含密钥，须同样妥善保管",
    "HOST:PORT to serve on (default: the same, for another host)": "服务的 HOST:PORT（默认相同，用于另一主机）",
    "the same for the relay (default: none)": "中继的 HOST:PORT（默认无）",
    "the folder of the copy": "副本的文件夹",
    "the root's folder": "根密钥文件夹",
    "what certify --request-out wrote": "certify --request-out 写出的文件",
    "where to write the signed statement": "已签署声明的写入位置",
    "keep everything under another secret from now on": "此后改用另一口令保管全部内容",
    "seconds that running calls get at the end": "结束时留给进行中调用的秒数",
    "health, readiness and metrics here (overrules the settings)": "在此提供健康、就绪与指标（优先于设置）",
    "found one space more: a root, keys, a log and a space file of its own":
        "再建一个空间：自有根、密钥、日志与空间文件",
    "list the spaces that this broker serves": "列出本平台所服务的空间",
    "show a space's file, which its participants pin": "查看空间文件（参与方以此固定信任）",
    "the id of the new space": "新空间的标识",
    "folder of its offline root (default: DIR-root-SPACE)": "其离线根的文件夹（默认 DIR-root-SPACE）",
    "its audit log's name (default: hefu.example/SPACE)": "其审计日志的名称（默认 hefu.example/SPACE）",
    "the id of the space": "空间标识",
    "a participant's name, a key's id or a certificate's fingerprint": "参与方名称、密钥标识或证书指纹",
    "stands in the signed status list, for everybody to read": "写入已签名的状态表，人人可读",
    "the name of the participant it is for": "该令牌所属参与方的名称",
    # connector
    "make a connector's directory with its keys and settings": "建立连接器目录及其密钥与设置",
    "join a space with an invitation from its operator: all that init and enroll do":
        "凭运营者的邀请加入空间：完成 init 与 enroll 的全部步骤",
    "ask to be certified, with the operator's one-time token": "凭运营者的一次性令牌申请认证",
    "run the connector in the foreground": "在前台运行连接器",
    "show who this connector is and everything that waits": "查看本连接器的身份与一切待办",
    "copy the directory while it serves; the secret is never in the copy":
        "在连接器运行时复制其目录；副本中不含口令",
    "put a copy back into a new directory, which serves nobody before confirm":
        "将副本恢复到新目录；确认之前不对外服务",
    "hold a restored connector against the broker's log, and let it serve again":
        "以平台日志核对已恢复的连接器，然后允许其重新服务",
    "make a second process of a connector: same keys and store, own address":
        "建立连接器的第二进程：密钥与存储相同，地址独立",
    "what this connector's database and keys are encrypted under": "连接器数据库与密钥所用的加密口令或密钥",
    "the one-time token; not needed to ask again how it stands": "一次性令牌；再次查询进展时不需要",
    "wait until the holder of the root key has certified it": "等待根密钥持有人完成认证",
    "the participant's id, such as hospital-a": "参与方标识，例如 hospital-a",
    "the participant's name for people; English, or Chinese if it has Chinese letters":
        "参与方的显示名称；英文，含汉字则为中文",
    "its Chinese name, where --title is English": "其中文名称（--title 为英文时）",
    "the space file from the operator": "由运营者取得的空间文件",
    "the connector's own id (default: NAME-c1)": "连接器自身标识（默认 NAME-c1）",
    "where other connectors reach this one; a provider needs it (port 0 draws one)":
        "其他连接器访问本连接器的地址；提供方必需（端口 0 表示自动选择）",
    "what others dial, where it is not --listen": "他方所拨的地址（若与 --listen 不同）",
    "what hefu broker invite wrote": "hefu broker invite 写出的邀请文件",
    "the participant's name for people, where it is not the invitation's": "参与方的显示名称（若与邀请不同）",
    "where other connectors dial this one; not needed where the space has a relay (port 0 draws one)":
        "其他连接器拨入的地址；空间有中继时不需要（端口 0 表示自动选择）",
    "this participant's connector in another space: share its sources, and one lifetime total for each asset":
        "本参与方在另一空间的连接器：共用其数据源，每项资产共享一个终身总额度",
    "do not wait for the holder of the root key": "不等待根密钥持有人",
    "the directory of the enrolled connector": "已入网连接器的目录",
    "where it serves (default: a free port)": "其服务地址（默认空闲端口）",
    # demo, doctor
    "a new or empty directory (default: a new temporary one)": "新目录或空目录（默认新建临时目录）",
    "leave everything running until Ctrl-C, and say how to use it": "保持全部运行直至 Ctrl-C，并说明用法",
    "tell the story on a table of your own": "以你自己的表讲述同一过程",
    "a broker's or connector's folder (default: HEFU_DIR, then here)":
        "平台或连接器的文件夹（默认依次取 HEFU_DIR、当前目录）",
    "name what is well, too": "也列出正常的项目",
    # source
    "register a source of data under a name": "以名称登记数据源",
    "change where a source is or how it is read; its budget stays the same":
        "更改数据源的位置或读取方式；其额度不变",
    "lay a source out as it is now, for fast questions; they read that until it is laid out anew":
        "按现状重排数据源以便快速查询；直至再次重排，查询均读取该快照",
    "list the registered sources": "列出已登记的数据源",
    "forget a source; its data and its spent budget stay": "移除数据源；数据与已用额度保留",
    "a name of your choice, such as admissions": "自选名称，例如 admissions",
    "path of a CSV, Parquet or Arrow file, Delta or Iceberg table or model; URL of a database without a password":
        "CSV、Parquet、Arrow 文件，Delta、Iceberg 表或模型的路径；或不含密码的数据库 URL",
    "form (default: by ending, or by a folder's log); file: delivered whole and never looked into":
        "格式（默认按扩展名或文件夹日志判断）；file 表示整体交付且不读取内容",
    "how to read it, such as delimiter=; or encoding=gb18030; may be repeated":
        "读取方式，例如 delimiter=; 或 encoding=gb18030；可多次给出",
    "call the source's COLUMN by NAME in products; may be repeated":
        "在产品中以 NAME 称呼数据源的 COLUMN 列；可多次给出",
    "the source's name": "数据源名称",
    "a PostgreSQL database counts itself: nothing is copied for a question; all columns need their types":
        "由 PostgreSQL 数据库自行计数：查询时不复制数据；各列须有明确类型",
    "PostgreSQL or Spark counts by itself: nothing is copied for a question; all columns need their types":
        "由 PostgreSQL 或 Spark 自行计数：查询时不复制数据；各列须有明确类型",
    "forget what is laid out: questions read the source as it is then": "放弃已重排的快照：查询读取当时的数据源",
    # space
    "start a whole space for tests, or what of it does not run": "启动供测试的完整空间，或其中未运行的部分",
    "show endpoints, identities and process ids": "查看端点、身份与进程号",
    "end what runs of a space": "结束空间中正在运行的部分",
    "let the space see the clock moved by so many seconds": "使空间的时钟偏移若干秒",
    "list the points where a server can be made to fail": "列出可使服务故障的各个点",
    "from the machine's clock; 0 sets it right": "相对本机时钟的秒数；0 表示复原",
    "the directory of hefu space up": "hefu space up 的目录",
    "a new or empty directory, or that of an earlier up": "新目录、空目录或先前 up 的目录",
    "participants, each with its connector (default 3)": "参与方数目，各有一个连接器（默认 3）",
    "let a server that is started now fail on purpose; may be repeated": "使本次启动的服务有意故障；可多次给出",
    # verify
    "a bundle: a zip file, or a folder of its files": "证据包：zip 文件，或其文件所在的文件夹",
    "the root's public key (base64url), got another way": "经其他途径取得的根公钥（base64url）",
    "a space file, got another way: pins root and log": "经其他途径取得的空间文件：固定根与日志",
    "a checkpoint you kept from before": "你先前保存的检查点",
    "instead of a bundle: a log exported as files": "不用证据包，而用导出为文件的日志",
    "certificates (PEM) of the authority whose time stamps count": "其时间戳有效的时间戳机构证书（PEM）",
    "write the log as files (C2SP tlog-tiles); again, it adds what is new":
        "将日志写为文件（C2SP tlog-tiles）；再次执行只添加新增部分",
    "the folder to write": "写入的文件夹",
    "the space; by default the one the broker was founded with": "空间；默认为平台创建时的空间",
}  # fmt: skip
