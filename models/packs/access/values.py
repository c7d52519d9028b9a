"""What people and programs ordinarily put into a request's path, names and values."""

from __future__ import annotations

import random
from urllib.parse import quote

from models.packs.access.grammar import DIGITS, HEXADECIMAL, LOWER, Part, text_of
from models.packs.access.vocabulary import ACCENTED, ENDINGS, NAMES, SYLLABLES, WORDS

MARKS = (
    *(" ", " ", " ", " ", ", ", ". ", "; ", ": ", " - ", "! ", "? ", "\n", "\r\n", " (", ") "),
    *("' ", " '"),
)
"""What stands between the words of a sentence."""

ORDINARY: dict[str, Part] = {
    "value": (
        *("«word»",) * 16,
        *("«person»",) * 6,
        *("«phrase»",) * 10,
        *("«number»",) * 10,
        *("«token»",) * 14,
        *("«address»",) * 4,
        *("«email»",) * 4,
        *("«url»",) * 4,
        *("«date»",) * 3,
        *("«file»",) * 4,
        *("«code»",) * 5,
        *("«search»",) * 5,
        *("«structure»",) * 4,
        *("«measure»",) * 3,
        *("«choice»",) * 5,
        *("«broken»",) * 2,
        *("«prose»",) * 3,
        *("«path»",) * 30,
        *("«name»",) * 8,
    ),
    "word": lambda chance: _word(chance),
    "person": (
        *("«first»", "«first» «word»", "«word»", "«word» «word»", "«first» «word» «word»"),
        *("«first»«n2»", "«letter». «word»", "o'«word»", "d'«word»", "«word»-«word»"),
        *("«word», «first»", "l'«word»", "dr. «word»", "«first» (the) «word»"),
        *("«first» «letter». «word»", "mc«word»", "de la «word»", "«first» & «first»"),
        *("«first» y «first»", "«first» o'«word»", "«word» jr.", "«first» d'«word»"),
    ),
    "phrase": lambda chance: " ".join(_word(chance) for _ in range(chance.randint(2, 7))),
    "number": (
        *("«n1»", "«n2»", "«n3»", "«n4»", "«n5»", "«n8»", "«n10»", "«n16»", "-«n1»", "-«n3»"),
        *("«n4».«n2»", "«n2»,«n2»", "+«n2» «n9»", "«n3»-«n3»-«n4»", "(«n3») «n3»-«n4»", "0«n4»"),
        *("«n4» «n4» «n4» «n4»", "«n8»«letter»", "«letter»«n8»", "es«n2» «n4» «n4» «n2» «n10»"),
        *("«n3».«n3».«n3».«n3»", "«n1».«n1»", "-«n2».«n6»,«n2».«n6»", "«n1»e«n1»", "0x«hex4»"),
        *("«n2»%", "«n1»/«n1»", "«n13»", "v«n1».«n1».«n1»", "«n3»,«n3»,«n3»", "«n1»:«n2»"),
        *("«n2»00", "«n4»00", "«n6»00«letter»", "«n1»000000", "00«n3»", "«n3»000", "«n9»0000"),
        *("«n1»000", "«n10»000", "«n1»:«word»", "«n1»:«word»-«word»", "«n2»:«word»", "0"),
        *("00", "000", "#«n4»", "«n2».«n3»,«n2»", "«n2»-«n2»", "100%", "«n3»x«n3»", "-1"),
    ),
    "token": (
        *("«hex8»", "«hex16»", "«hex32»", "«hex40»", "«uuid»", "{«uuid»}", "«base»", "«base»"),
        *("«base»==", "«base64»", "«base64»=", "eyj«base64».eyj«base64».«base64»", "«mixed»"),
        *("«mixed»", "«mixed»", "«upper»-«n4»", "«word»«n2»", "«word»_«n3»"),
        *("«n1»«letter»«n1»«letter»", "«mixed»-«mixed»", "ga1.2.«n9».«n10»", "«mixed»~«mixed»"),
        *("«base»%3d%3d", "«hex8»-«hex4»", "«mixed».«mixed»", "$2y$10$«base64»", "«mixed»*«mixed»"),
        *("«word»«symbol»«n2»", "«mixed»«symbol»«mixed»", "#«hex6»", "sha256-«base64»="),
        *('w/"«hex8»"', "«letter»", "«letter»«letter»", "«two»", "«two»", "«three»"),
    ),
    "address": (
        *("c/ «word» «n2»", "c/ «word» «n2», «n1»º«letter»"),
        *("calle «word» «word», «n2» «n1» «letter»", "avda. «word», «n3»", "«n3» «word» street"),
        *("«n2» «word» road, apt. «n1»", "plaza «word» «n1»", "«word»straße «n2»"),
        *("«n2» rue de la «word»", "via «word», «n2»/«letter»", "«word» «n1»-«letter»"),
        *("«word» s/n", "«n5» «word» («word»)", "p.o. box «n4»"),
        *("«word»weg «n2»", "«word» («word»)", "«word»/«word»", "«word», «word» & «word» ltd."),
        *("st. «word»'s «word»", "km. «n2»"),
    ),
    "email": (
        *("«word»@«domain»", "«first».«word»@«domain»", "«first»_«word»@«domain»"),
        *("«word»+«word»@«domain»", "«first»«n2»@«domain»", '"«first» «word»" <«word»@«domain»>'),
        "«first» <«word»@«domain»>",
        "mailto:«word»@«domain»?subject=«word»%20«word»",
    ),
    "domain": ("«word».«tld»", "«word»-«word».«tld»", "«word».«word».«tld»", "«word»«n1».co.«two»"),
    "tld": (
        *("com", "net", "org", "es", "de", "fr", "io", "«two»", "«two»", "co.uk", "com.«two»"),
        "info",
    ),
    "url": (
        *("http://«domain»", "https://«domain»/", "https://www.«domain»/«word»"),
        *("https://«domain»/«path»", "https://«domain»/«path»?«query»"),
        *("http://«domain»:8080/«word»", "//«domain»/«word».js"),
        *("https%3a%2f%2f«domain»%2f«word»%3f«word»%3d«n2»", "ftp://«domain»/«word».zip"),
        *("www.«domain»", "https://www.youtube.com/watch?v=«mixed»", "https://«domain»/#«word»"),
        "android-app://«domain»",
        *("https://«domain»/«word»?redirect=https%3a%2f%2f«domain»%2f«word»", "«domain»"),
        *("/«word»/«word»#«word»", "/«word»/«word»?«query»", "/«word»", "/"),
        *("../«word»/«word».html", "./«word»", "data:image/png"),
    ),
    "query": (
        *("«word»=«word»", "«word»=«n3»&«word»=«word»", "q=«word»+«word»", "id=«n4»&«query»"),
        "«name»=«n2»",
    ),
    "date": (
        *("20«n2»-0«n1»-1«n1»", "1«n1»/0«n1»/20«n2»", "0«n1».1«n1».20«n2»"),
        *("20«n2»-0«n1»-«n2»t1«n1»:«n2»:«n2»z", "20«n2»«n4»", "1«n1»:«n2»"),
        *("mon, «n2» «word» 20«n2» 1«n1»:«n2»:«n2» gmt", "«n13»", "jan «n1», 20«n2»"),
        *("20«n2»-0«n1»-«n2» 1«n1»:«n2»:«n2»", "20«n2»-0«n1»-1«n1»t00:00:00+02:00"),
        *("20«n2»/0«n1»/«n2»", "last week"),
        "[20«n2»-01-01 to 20«n2»-12-31]",
    ),
    "file": (
        *("«word».«ending»", "«word»-«word».«ending»", "«word»_«n3».«ending»", "img_«n4».jpg"),
        *("«word» («n1»).pdf", "c:\\users\\«word»\\«word».«ending»"),
        *("/home/«word»/«word».«ending»", "«word»/«word»/«word».«ending»"),
        *("«word» «word» - «word».«ending»", "«word».min.js", "«word».«hex8».css"),
        *("«word»-«n1».«n1».«n1».tar.gz", "«word».«word».20«n2»-«n2»-«n2».gz"),
        *("file_«n3»[«n1»].«ending»", "screenshot 20«n2»-01-01 at 1«n1».«n2».png"),
        *("«word»'s «word».docx", "c:\\fakepath\\«word».«ending»", "«word».«ending».«ending»"),
        *("«word»%20«word».pdf", "readme.md"),
    ),
    "ending": ENDINGS,
    "code": (
        *("how to «word» in «language»", "«language» «word» «word» example", "«language» «word»()"),
        *("«word»()", "what does «word» mean in «language»", "«word».«word»", "«word»::«word»"),
        *("std::vector<«word»>", "c++ «word»", "select «word» from a table in «language»"),
        *("sql join vs union", "mysql order by «word» desc", "c# list<«word»>", "grep -r «word»"),
        *("bash for loop", "bash: «word»: command not found", "cat file | «word»"),
        *("rm -rf «word» safe", "«language» regex [a-z]+", "a && b", "x = y", "if (x > 0)"),
        *("for i in «word»", "«word» <- «word»", "git rebase -i", "sql group by having count"),
        *("html <«tag»> tag", "<div> align center", "css :hover «word»", "#«word» .«word»"),
        *("error: «word» «word» not found", "typeerror: «word» is not a function"),
        *("«word»: permission denied", "$«word»", "javascript alert box", "document onload «word»"),
        *("php exec «word»", "python sleep «n1» seconds", "/^«word»$/", "sed 's/«word»/«word»/g'"),
        *("«word» -«letter» «word»", "--«word»=«word»", "«word»[«n1»]", "-«word»"),
        *("«word» & «word»", "union all select difference", "where «word» = «word»"),
        *("drop table if exists", "insert into «word» values", "or 1"),
        *("import «word» from '«word»'", "window.location «word»", "onclick «word» «language»"),
        *("%«word»%", "null or undefined"),
    ),
    "language": (
        *("sql", "mysql", "javascript", "python", "java", "php", "bash", "html", "css", "c++"),
        *("c#", "ruby", "perl", "node.js", "linux", "vim", "excel", "postgres", "react", "go"),
        *("rust", "regex", "awk", "docker", "jquery"),
    ),
    "search": (
        *('"«phrase»"', "«word» -«word»", "«word» or «word»", "«word» and «word»"),
        *("site:«domain» «word»", "+«word» +«word»", "«word» & «word»", "«word» vs. «word»"),
        *("«word»?", "what's «word»", "«word» 'n' «word»", "«word»'s «word»"),
        *("«word»: «word» «word»", "«word», «word» and «word»", "«word» (20«n2»)"),
        *("«word» + «word»", "«word» #«n2»", "(«word» or «word») and «word»"),
        *("status:«n3» and method:«word»", "«word»:«word» not «word»:«word»", "«word»*"),
        *("«word» < «n3»", "price > «n2»", "«word» = «word»", "«word»/«word»"),
        *("the «word» of '«word»'", "«word»!", "i'm «word»", "1+1=2", "«n1» x «n1»"),
        *("«n1» or «n1» «word»", "«word»; «word»", "don't «word»", "«word» 'til «word»"),
        *("¿«phrase»?", '«word» "«word» «word»"', "@«word»", "#«word»", "«word» | «word»"),
        *("«word» «n2»% off", "\"«word»\" or '«word»'"),
    ),
    "structure": (
        *('{"«word»":"«word»"}', '{"«word»":«n2»,"«word»":["«word»","«word»"]}'),
        *('["«word»","«word»"]', "[«n1»,«n2»]", '{"«word»":{"«word»":true,"«word»":null}}'),
        *("«word»:«word»;«word»:«word»", "«word»,«word»,«word»", "[]", "{}"),
        *("«word»|«word»|«word»", "(«word»,«word»)", "«n1»:«word»", "«n2»:«word»-«word»"),
        *("«word»=«word»&«word»=«n2»", "«word»:desc,«word»:asc", "!«word»"),
        *('{"from":"«date»","to":"«date»"}', "«word»[«word»]=«word»", "«n2»;«n2»;«n2»"),
        *('a:1:{s:4:"«word»";i:«n1»;}', '{"query":"«phrase»","page":«n1»}'),
        *("<«tag»>«word»</«tag»>", "<b>«phrase»</b>", "<p>«phrase»</p>", "**«word»**"),
        *('{"id":"«uuid»","t":«n13»}', "$filter=«word» eq '«word»'", "«word» eq «n2»"),
        *("«word»~«n2»!«word»~«n2»", "«word»^2", '[{"«word»":«n2»},{"«word»":«n2»}]'),
        *("[«word»](https://«domain»)", "(«n2».«n4», «n2».«n4»)", "__«word»__"),
    ),
    "measure": (
        *("«n3» cm", "«n1».«n1» kg", "5' 10\"", "«n1»' «n1»\"", "$«n2».99", "«n2»,50 €"),
        *("«n2»% off", '3.5" «word»', "«n2»°c", "«n2»x«n2»x«n2» mm", '«n1»/«n1»" «word»'),
        *("~«n2»", "> «n2»", "<«n2»", "+-«n1»", "a+b=c", "l=«n2»;w=«n2»"),
    ),
    "choice": (
        *("true", "false", "on", "off", "yes", "no", "null", "undefined", "none", "all", "asc"),
        *("desc", "name", "id", "new", "es", "en", "en-us", "de", "fr", "json", "xml", "html"),
        *("get", "post", "price", "-price", "newest", "date", "", "", "nan", "default", "other"),
        *("male", "female", "submit", "search", "ok", "add", "edit", "view", "list", "0", "1", "2"),
        *("text/html", "image/jpeg", "application/json", "utf-8", "iso-8859-1", "a", "b", "x"),
        *("c=n;o=d", "c=m;o=a", "s=d", "comprar", "entrar", "pagar", "buscar", "senden"),
    ),
    "broken": (
        *("${«word»}", "{{«word»}}", "{{ «word».«word» }}", "<%= «word» %>", "{«word»}"),
        *("%«word»%", "[object object]", "#{«word»}", '${«word».«word»}\\"', "%7b%7b«word»%7d%7d"),
        *("'+«word»+'", "' + «word» + '", '"+«word»+"', "<«tag»>"),
        *("/%22https://«domain»/«word»/%22", "/%22http://«domain»", "/«word»/%e2%80%9d"),
        *("«word»%c2%a0", "«url»%22", "«url»)", "/«word»/«word».html'", "«path»//%22«url»/%22"),
        *("«path»&amp;«query»&amp;sa=u&amp;ved=«base64»", "<?=«word»?>", "undefined/«word»"),
        *("/«path»/«url»", '\\"«url»\\"', "/«word»%20", "«word»\\"),
        *("«run»", "«word»«run»", "«word»-«run»/", "«word»«run»«word»", "«run» «word» «run»"),
    ),
    "run": lambda chance: _run(chance),
    "prose": lambda chance: _prose(chance),
    "path": lambda chance: _path(chance),
    "name": (
        *("«word»", "«word»_«word»", "«word»[]", "«word»[«word»]", "«word»[«n1»][«word»]"),
        *("«word»«n1»", "«letter»", "_", "utm_source", "utm_medium", "utm_campaign", "gclid"),
        *("fbclid", "page", "id", "q", "s", "lang", "token", "_«letter»", "«word».«word»"),
        *("«word»-«word»", "$«word»", "«word»:«word»", "«word»%5b%5d", "«word»%5b«word»%5d"),
        *("«word»%5b«n1»%5d", "«n10»", "«hex8»", "«word»[«word»][min]", "amp;«word»", "option"),
        *("view", "task", "itemid", "c", "redirect_to", ";"),
    ),
    "tag": ("b", "i", "p", "em", "br", "h1", "strong", "li", "ul", "span", "h2", "code", "hr"),
    "symbol": ("!", "@", "#", "$", "*", ".", "_", "-", "+", "~", "?", "&", "%", "^", "=", ":"),
    "uuid": lambda chance: "-".join(text_of(HEXADECIMAL, n, n)(chance) for n in (8, 4, 4, 4, 12)),
    "mixed": text_of(LOWER + DIGITS, 2, 14),
    "base": text_of(LOWER + LOWER.upper() + DIGITS, 6, 30),
    "base64": text_of(LOWER + LOWER.upper() + DIGITS + "-_+/", 12, 120),
    "upper": text_of(LOWER, 2, 4),
    "two": text_of(LOWER, 2, 2),
    "three": text_of(LOWER, 3, 3),
    "letter": tuple(LOWER),
    "first": NAMES,
    **{f"hex{n}": text_of(HEXADECIMAL, n, n) for n in (4, 6, 8, 16, 32, 40)},
    **{f"n{n}": text_of(DIGITS, n, n) for n in (1, 2, 3, 4, 5, 6, 8, 9, 10, 13, 16)},
}


def _word(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.4:
        return chance.choice(WORDS)
    if kind < 0.5:
        return "".join(chance.choices(LOWER, k=chance.randint(2, 8)))
    word = "".join(chance.choices(SYLLABLES, k=chance.randint(1, 4)))
    if kind > 0.95:
        place = chance.randint(0, len(word))
        word = word[:place] + chance.choice(ACCENTED) + word[place:]
    return word + chance.choice(("", "", "", "s", "a", "o", "n", "d", "r"))


def _run(chance: random.Random) -> str:
    """One mark over and over: a rule drawn in a text, or letters that an encoding has lost."""
    return chance.choice("????.-_=*!~#") * chance.randint(2, 24)


def _prose(chance: random.Random) -> str:
    """Sentences with their marks, as in a comment or a message."""
    words = (_word(chance) + chance.choice(MARKS) for _ in range(chance.randint(8, 60)))
    return "".join(words)


def _path(chance: random.Random) -> str:
    """A path on a site, most of them encoded as a browser does."""
    parts = [_segment(chance) for _ in range(chance.choice((0, 1, 2, 3, 4, 5, 6, 9)))]
    path = "/" + "/".join(parts)
    kind = chance.random()
    if kind < 0.25:
        path += "/"
    elif kind < 0.75:
        path += "." + chance.choice(ENDINGS)
    elif kind < 0.78:
        path += chance.choice(
            (";jsessionid=0a", "//", "/index.php/", "/../", "/?", ".php~", ".html)")
        )
    return path


def _segment(chance: random.Random) -> str:
    words = [_word(chance) for _ in range(chance.choice((1, 1, 1, 2, 3, 5)))]
    kind = chance.random()
    if kind < 0.08:
        return quote(" ".join(words))
    if kind < 0.2:
        return str(chance.randint(1, 2_030))
    if kind < 0.25:
        return chance.choice(("~", "", "@", ".", "_", "wp-", "com_", "node_", "v")) + words[0]
    if kind < 0.3:
        return words[0] + "." + str(chance.randint(0, 40)) + "." + str(chance.randint(0, 9))
    if kind < 0.4:
        words.append(str(chance.randint(1, 30)))
    elif kind < 0.45:
        day = f"{chance.randint(10, 12)}-{chance.randint(10, 28)}"
        words.append(f"20{chance.randint(10, 29)}-{day}")
    return chance.choice(("-", "-", "_", "_", "", ".")).join(words)
