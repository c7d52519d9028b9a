"""Words of many languages, and what is left of words that nobody has listed."""

from __future__ import annotations


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


SYLLABLES = _listed(
    """
    ba be bi bo bu ca ce ci co cu da de di do du fa fe fi fo fu ga ge gi go gu ha he hi ho hu ja je
    jo ju ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu pa pe pi po pu qua que qui ra
    re ri ro ru sa se si so su ta te ti to tu va ve vi vo wa we wi wo xa ya yo za ze zo bra bre bri
    bro cha che chi cho cla cle cra cre dra dre fla fle fra fri gla gra gre kra pla ple pra pre pri
    pro sca sch sha she shi sho spa ste sti sto stra tha the thi tra tre tri al an ar as el en er es
    il in ir is ol on or os un ur us and ant ard ell end ent ern est ing ion ist man mar mer nal nor
    par pel per por ran ren rin ron sel ser son tan tel ter ton tor ver
    """
)
"""Enough to spell a word of most languages that are written in Latin letters."""

WORDS = _listed(
    """
    the of and to in for is on that with as it at from by an be this or are not have you all new how
    what when where which why can does best free online download update price list table file select
    insert delete drop union join order group having from where like into values set case script
    alert image style body head link form input button event load error object document shell bash
    cat ping echo command system exec root admin password user login config windows log logs access
    error http https ssl dns ftp ssh mail host hosts data dataset datasets network sample auth
    scripts stats known packet traffic proxy cache daemon cron linux server
    python java javascript mysql postgres oracle apache nginx docker git regex json sleep wait delay
    count char version database schema column row null true false print eval shoes dress phone
    laptop camera travel hotel music video news sport weather recipe health el la los las un una de
    del que y en con por para como mas pero sus calle avenida plaza precio casa coche zapatos viaje
    comprar barato mesa silla nombre pueblo ciudad provincia santa san der die das und ist nicht mit
    auf von zum haus strasse ferien wohnung preis hotel wandern le les des une est dans pour sur
    avec maison rue ville prix vol pas cher chaussures recette il lo gli che di non per casa via
    citta prezzo volo vacanze scarpe ricetta e o da na no um about account action active address
    agent album alias archive area article artist assets author average award back background badge
    banner basic basket beach beta blog board book bottom box branch brand bridge browser build
    bundle business calendar call campaign card cart catalog category center change channel chapter
    chart chat check child choose city class classic clean clear client close cloud code collection
    color comment common community company component compose connect contact content control cookie
    copy core country cover create credit current custom customer daily dark dashboard default
    deploy design detail device dialog digital directory discount display document domain driver
    easy editor effect email empty energy engine english entry event every example explain export
    extra family fashion feature feed field filter final find first flash folder follow font footer
    format forum forward frame friend front full function future gallery game garden general german
    getting global graph green guide hardware header heart hidden high history holiday home host
    hour human icon idea include index infinite inline inner inside install intro invite island
    issue item journal kernel keyboard kitchen label language large last layout learn legal letter
    level library license light line listing live local location logger logo long loop machine
    magazine main manage manual map market master matrix media member memory menu message method
    middle minute mobile model module monitor month motion mouse multi museum nature network night
    normal notes number object office offset open option original outer output owner package page
    paper parent partner party pattern pause people photo picture pixel plain planet player plugin
    point policy popular portal post poster power present press print privacy private process
    product profile project protocol public publish puzzle quality quick random range rating read
    record reference region register related release remote rename repair reply report request
    research reset resource response result return review right ring river road round route rule
    sample save scale scene schedule school science scroll season second section secure security
    send series server service session setting shadow shape share shell shop short show side sign
    simple single site size skin slide small smart social socket software sound source space special
    speed spring square stage standard start state static status step stock stop storage story
    stream street string strong student studio study style submit summer support surface survey
    switch symbol syntax table target team technology template terminal test text theme thread thumb
    ticket time title today token tools topic total touch town track trade traffic training transfer
    translate trip truth turn tutorial type under unit update upload upper user vector vendor verify
    video view virtual visit voice wall warning watch water week welcome white window winter wizard
    woman wood word work world writer xml year yellow young zone zoom
    """
)
NAMES = _listed(
    """
    ana juan maria jose luis carmen pedro laura john mary james linda robert susan peter anna hans
    greta karl ingrid pierre marie claude sophie marco giulia paolo lucia jan eva olga ivan li wei
    mohamed fatima yuki kenji sven astrid pablo lucas emma noah olivia
    """
)
ENDINGS = _listed(
    """
    jpg png gif css js html htm php asp aspx jsp pdf zip txt xml mp3 mp4 csv ico svg docx xls json
    jpg png gif css js html html php min.js min.css tar.gz woff2 ttf rb py c h log log.gz rpm gem
    """
)
ACCENTED = _listed(
    """
    ñ á é í ó ú ü ö ä ß ç è à ø å ł я 日 ع
    """
)
