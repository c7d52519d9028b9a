"""What attacks, log-ins, assets and tools look like in a request's text.

Patterns are in lower case and match anywhere in a path with its query, percent-decoded once, or
in a user agent. What a reader of a technical blog may well type into its search box is left out.

References:
    OWASP ModSecurity Core Rule Set, https://coreruleset.org/docs/rules/rules/
    FuzzDB, https://github.com/fuzzdb-project/fuzzdb
"""

from __future__ import annotations

from feature_store.text import END, START, Automaton

TRAVERSAL = (
    *("../../", "..\\..\\", "....//", "=../", "=..\\", "/..;/"),
    # Encoded twice: one round of decoding leaves these.
    *("%2e%2e/", "%2e%2e%2f", "..%2f", "..%5c", "%252e%252e", "..%c0%af", "%c0%ae"),
    *("/etc/passwd", "/etc/shadow", "/etc/hosts", "/etc/./passwd", "/proc/self/", "/proc/version"),
    *("boot.ini", "win.ini", "windows/system32", "windows\\system32", "/winnt/"),
    *("=file:///", "php://filter", "php://input", "=expect://", "/web-inf/web.xml"),
)

SQL = (
    *(
        "union select ",
        "union select@",
        "union all select ",
        "union/**/",
        "union(select",
        "union\nselect",
    ),
    *("' or '", "' or 1", "'or'", "'or 1", '" or "', '" or 1', ") or (", "' or (", " or 1=1"),
    *("' and '", "' and 1", "'and'", '" and "', " and 1=1", " and 1=2", "' and (", " and sleep("),
    *("sleep(", "benchmark(", "waitfor delay", "dbms_pipe", "dbms_lock", "utl_inaddr", "utl_http"),
    *("information_schema", "xp_cmdshell", "sysobjects", "@@version", "@@servername"),
    *("'--", "' --", "';", "'#", "order by 1--", "having 1=1", "group by 1--", "' like '"),
    *("extractvalue(", "updatexml(", "concat(0x", "concat(char(", "row(1,1)", "procedure analyse"),
    *("(select ", "(select(", "select count(*)", "select @@", "into outfile", "load_file("),
    *("convert(int", "cast((", "drop table", "from dual", "||'", "'||"),
)

COMMAND = (
    *("/bin/sh", "/bin/bash", "/bin/cat", "/bin/id", "cmd.exe", "command.com", "powershell"),
    *(";cat ", "|cat ", "; cat", "| cat", "&cat ", ";id;", "|id", ";ls ", "|ls", "|dir", "&dir "),
    *(
        ";ping ",
        "|ping ",
        "&ping ",
        "|type ",
        ";wget ",
        ";curl ",
        "|wget ",
        "wget http",
        "curl http",
    ),
    *("$(", "`id`", "`cat", "`wget", "`curl", "${ifs}", "() {", "(){", "|nslookup", "&nslookup"),
    *("system(", "passthru(", "shell_exec(", "exec(", "eval(", "phpinfo(", "<?php"),
    *("call_user_func", "invokefunction", "file_put_contents", "base64_decode(", "print(md5("),
    *("allow_url_include", "auto_prepend_file", "<!--#exec", "<!--#include"),
)

EXPRESSION = (
    *("${jndi", "${lower:", "${upper:", "${::-", "${env:", "${sys:", "${ctx:", "${date:"),
    *("{{7*7", "${7*7", "#{7*7", "{{config", "{{self", "{{request", "{{''", '{{""', "<%= 7"),
    *("%{(#", "${(#", "(#_memberaccess", "@java.lang", "java.lang.runtime", "java.lang.process"),
    *("class.module.classloader", "freemarker.template", "t(java.lang", "__class__"),
)

SCRIPTING = (
    *("<script", "</script", "%3cscript", "<svg", "<iframe", "<img src", "<img/src", "<body on"),
    *(" onerror=", "/onerror=", '"onerror=', " onload=", "/onload=", '"onload=', "<object"),
    *(
        " onmouseover=",
        '"onmouseover=',
        " onfocus=",
        '"onfocus=',
        " onclick=",
        "<embed",
        "<marquee",
    ),
    *(
        "=javascript:",
        "javascript:alert",
        "javascript:eval",
        "=vbscript:",
        "<xss",
        "style=expression",
    ),
    *("alert(", "prompt(", "document.cookie", "document.domain", "string.fromcharcode"),
)

SECRETS = (
    *(f"/.env{END}", "/.env?", "/.env.", "/.git/", "/.svn/", "/.hg/", "/.bzr/", "/cvs/entries"),
    *("/.aws/", "/.ssh/", "/.docker/", "/.kube/", "/.npmrc", "/.vscode/", "/.idea/", "/.ds_store"),
    *("/.htpasswd", "/.htaccess", "/web.config", "id_rsa", "/.bash_history", "/.mysql_history"),
    *("wp-config.php.", "wp-config.bak", "wp-config.old", "wp-config.txt", "wp-config.php~"),
    *("/backup.sql", "/dump.sql", "/database.sql", "/db.sql", "/mysql.sql", "/backup.tar"),
    *("/backup.zip", "/credentials.json", "/secrets.json", "/config.json.bak", "config.php.bak"),
)

PROBES = (
    # Not all of /wp-content/: a site that has moved is asked for its old uploads for years.
    *("/wp-login", "/wp-admin", "/wp-content/plugins", "/wp-content/themes", "/wp-includes/"),
    *("xmlrpc.php", "/wp-json/"),
    *("phpmyadmin", "/pma/", "/myadmin", "/mysqladmin", "/dbadmin", "/adminer", "/sqladmin"),
    *("/cgi-bin/", "/administrator/", "/admin.php", "/manager/html", "/jmx-console", "/invoker/"),
    *("/solr/", "/actuator", "/boaform", "/hnap1", "/setup.cgi", "/_ignition", "/telescope/"),
    *("/vendor/phpunit", "eval-stdin.php", "/phpunit/", "/thinkphp", "/geoserver", "/struts"),
    *("/owa/", "/ecp/", "/autodiscover", "/remote/login", "/dana-na/", "/global-protect/"),
    *("/muieblackcat", "/w00tw00t", "/scripts/setup.php", "/default.ida", "/_vti_", "/msadc/"),
    *("root.exe", "/fckeditor", "/uploadify", "/kcfinder", "/elfinder", "/tiny_mce/"),
    *(
        "/phpinfo",
        "/info.php",
        "/test.php",
        "/shell.php",
        "/cmd.php",
        "/c99",
        "/r57",
        "/upload.php",
    ),
    *("/jenkins", "/hudson", "/druid/", "/v2/_catalog", "/server-status", "/nmaplowercheck"),
    *("com_jinc", "com_fabrik", "com_jce", "/sites/all/modules", "/plus/download.php", "/dede/"),
    *("_aspcms", "/e/doinfo", "/utility/convert/"),
)

LEFTOVERS = tuple(
    f"{ending}{end}"
    for ending in (
        *(".bak", ".old", ".orig", ".save", ".swp", ".sql", ".sql.gz", ".sql.zip", ".sql.tar"),
        *(".mdb", ".inc", ".php~", ".asp~", ".jsp~", ".xml~", ".conf~"),
    )
    for end in (END, "?")
)
"""Copies that editors and administrators leave behind."""

COURTESIES = (
    *("/robots.txt", "/sitemap", "/ads.txt", "/app-ads.txt", "/humans.txt", "/llms.txt"),
    *("/.well-known/", "/security.txt", "/favicon", "/apple-touch-icon", "/apple-app-site"),
    *("/browserconfig.xml", "manifest.json", "/site.webmanifest", "/crossdomain.xml"),
    *("/opensearch.xml", "/feed", "/rss", "/atom", "/wpad.dat", "/service-worker", "/sw.js"),
)
"""What browsers, crawlers and readers ask every site for, whether it has it or not."""

CALLS = (
    *("/api/", "/api?", f"/api{END}", "/graphql", "/rest/", "rpc", "/ajax", "-ajax", "/wp-json/"),
    *("/wp-cron", "/ocs/", "/ws/", "/socket", "hook", "/v1/", "/v2/", "/v3/", f".json{END}"),
    *(".json?", "/collect", "/beacon", "/track", "/batch", "/events", "/metrics", "/telemetry"),
    *("/token", "/sync", "/saml", "/oauth"),
)
"""Where programs and the scripts in pages ask and post: no forms that a person fills in."""

LOGINS = (
    *("/login", "/log-in", "/signin", "/sign-in", "/logon", "/wp-login", "/xmlrpc.php", "login."),
    *("/administrator/index.php", "/auth/", "/auth?", f"/auth{END}", "/oauth/token"),
    *("j_security_check", "action=login", "task=login", "act=login", "=com_login"),
)

ASSETS = tuple(
    f".{extension}{end}"
    for extension in (
        *("css", "js", "mjs", "map", "png", "jpg", "jpeg", "gif", "svg", "ico", "webp", "avif"),
        *("woff", "woff2", "ttf", "otf", "eot", "mp3", "mp4", "webm", "ogg"),
    )
    for end in (END, "?")
)

TOOLS = (
    *(
        "sqlmap",
        "nikto",
        "nmap",
        "acunetix",
        "nessus",
        "dirbuster",
        "gobuster",
        "wpscan",
        "masscan",
    ),
    *("zgrab", "hydra", "openvas", "w3af", "netsparker", "havij", "arachni", "skipfish", "nuclei"),
    *("ffuf", "feroxbuster", "whatweb", "jorgee", "zmeu", "morfeus", "muieblackcat", "webinspect"),
    *("burpsuite", "burpcollaborator", "commix", "wfuzz", "joomscan", "fimap", "dirsearch"),
    *("l9explore", "l9tcpid", "qualys", "appscan", "detectify", "sqlninja", "xsser", "metasploit"),
)

CRAWLERS = (
    *("bot/", "bot;", "bot)", "bot ", f"bot{END}", "spider", "crawler", "slurp", "yandex"),
    *("facebookexternalhit", "feedly", "feedfetcher", "mediapartners-google", "ia_archiver"),
)

PATHS = Automaton.of(
    {
        "traversal": TRAVERSAL,
        "sql": SQL,
        "command": COMMAND,
        "expression": EXPRESSION,
        "scripting": SCRIPTING,
        "secret": SECRETS,
        "probe": (*PROBES, *LEFTOVERS),
        "login": LOGINS,
        "asset": ASSETS,
        "courtesy": COURTESIES,
        "call": CALLS,
    }
)
"""Groups found in a path with its query."""

AGENTS = Automaton.of(
    {
        "tool": TOOLS,
        "crawler": CRAWLERS,
        "command": ("() {", "(){", "/bin/bash", "/bin/sh", "wget http", "curl http"),
        "expression": EXPRESSION,
        "sql": ("' or '", "union select ", "sleep(", "benchmark("),
        "empty": (START + END, f"{START}-{END}"),
        "browser": (f"{START}mozilla/", f"{START}opera/"),
    }
)
"""Groups found in a user agent."""
