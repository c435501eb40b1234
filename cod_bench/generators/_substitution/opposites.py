"""Hand-written opposites by word class for the `substitution` generator. Data only; written for this project.

A line is `words | their opposites`; the nearer two words stand to the front of their sides, the better they fit.
Words of lines that start with `!` only replace their own opposites; the others may stand wherever their class does.
"""

from __future__ import annotations

OPPOSITE_LINES: dict[str, str] = {
    "adjective": """
good great fine solid decent nice | bad poor awful lousy weak
great excellent superb wonderful fantastic terrific outstanding | terrible awful horrible dreadful dismal lousy
amazing awesome incredible brilliant phenomenal stunning | awful terrible horrible pathetic atrocious abysmal
perfect flawless impeccable faultless | flawed imperfect terrible sloppy
funny hilarious witty humorous amusing comic | unfunny dull tedious humorless boring
entertaining engaging enjoyable fun diverting | boring tedious dull tiresome annoying
interesting intriguing fascinating compelling absorbing gripping riveting engrossing | boring dull tedious
exciting thrilling exhilarating suspenseful enthralling | boring dull tedious lifeless
! fresh original inventive imaginative innovative creative novel | stale derivative unoriginal generic formulaic
clever smart intelligent sharp thoughtful wise sophisticated | stupid dumb silly idiotic foolish mindless
beautiful gorgeous lovely stunning exquisite handsome pretty | ugly hideous drab unattractive
charming delightful likable likeable endearing sweet appealing | irritating annoying unpleasant grating unlikable
moving touching poignant affecting heartfelt heartwarming | cold unmoving hollow manipulative sappy
powerful strong potent forceful | weak feeble powerless tepid
rich deep profound | shallow thin superficial
! subtle nuanced delicate understated | heavy-handed clumsy obvious crude
convincing believable credible plausible persuasive authentic honest | unconvincing implausible fake phony contrived
! genuine real sincere true | fake phony false insincere
successful effective triumphant | unsuccessful failed ineffective
impressive remarkable extraordinary exceptional memorable unforgettable | unimpressive forgettable mediocre unremarkable
satisfying rewarding gratifying | unsatisfying disappointing frustrating
refreshing | tiresome exhausting
inspiring inspired uplifting | uninspired depressing dreary
energetic lively spirited vibrant vivid dynamic | lifeless listless dull flat sluggish
coherent clear focused cohesive | incoherent confusing muddled messy unfocused
skillful skilled masterful accomplished polished competent talented | clumsy amateurish incompetent inept
friendly kind polite courteous pleasant gracious | rude unfriendly nasty mean hostile
helpful useful responsive | unhelpful useless unresponsive worthless
! professional | unprofessional
! quick fast prompt speedy rapid | slow late sluggish
! early timely punctual on-time | late delayed overdue
! easy simple smooth | difficult hard complicated painful
! comfortable comfy | uncomfortable cramped
! clean | dirty filthy
! safe | unsafe dangerous
! cheap affordable | expensive overpriced
! free | expensive costly
! new | old
! reliable dependable | unreliable
! efficient | inefficient
! right correct | wrong incorrect
! worthy worthwhile valuable | worthless pointless
! warm | cold
! bright light | dark bleak
! wise | foolish
watchable | unwatchable unbearable
! bearable tolerable acceptable | unbearable intolerable unacceptable
! special | ordinary
! full complete | empty incomplete
ambitious bold daring | timid lazy
! tight taut crisp | loose flabby slack bloated
! restrained | excessive overblown overwrought
! essential necessary | unnecessary pointless
! loyal | disloyal
! favorite favourite | least-favorite
funniest | unfunniest dullest
! hot | cold
! welcome | unwelcome
passionate | indifferent
! broken | working
cool | lame
! flat | lively vivid
! sad | happy
ridiculous absurd preposterous ludicrous | sensible reasonable believable
predictable cliched | surprising unpredictable
! unnecessary | essential
awkward | graceful elegant
tame bland | bold spicy
sloppy shoddy | careful polished tight
cheesy corny | classy elegant
slick | clumsy
pretentious | unpretentious
disastrous | triumphant successful
insulting offensive | respectful flattering
! stupid | smart clever
! scary creepy | silly
! happy glad | sad unhappy
! worth | beneath
! delayed late cancelled | early punctual on-time prompt
! cancelled | confirmed
! sick | healthy
! free | overpriced
! dead | alive
! epic legendary dope | lame
! unable | able
! able | unable
! possible | impossible
! available | unavailable
! open | closed
! big huge major | minor
! extra bonus | missing
! unique | ordinary
! brave | cowardly
! innocent | guilty
! fair | unfair
! legal | illegal
! smart | dumb
""",
    "feeling": """
happy glad pleased delighted thrilled grateful thankful satisfied | unhappy sad angry upset disappointed frustrated
excited thrilled pumped stoked psyched | disappointed bored bummed worried
impressed | disappointed unimpressed
amused entertained | bored annoyed
proud | ashamed embarrassed
lucky fortunate | unlucky unfortunate
hopeful optimistic confident | pessimistic worried
relieved relaxed calm | worried stressed anxious
! tired exhausted | refreshed rested
! sorry | glad happy
! stuck stranded | settled relaxed
""",
    "comparative": """
better | worse
smarter | dumber
funnier | duller sillier
stronger | weaker
brighter | darker
happier | sadder
easier | harder
faster | slower
fresher | staler
cheaper | pricier
nicer | meaner uglier
""",
    "superlative": """
best greatest finest | worst weakest poorest dullest
funniest smartest strongest freshest happiest nicest coolest | dullest dumbest weakest lamest saddest silliest ugliest
easiest | hardest
fastest | slowest
""",
    "adverb": """
well nicely beautifully brilliantly superbly wonderfully | badly poorly terribly horribly dreadfully
wonderfully delightfully | terribly horribly painfully
beautifully gorgeously elegantly gracefully | badly clumsily crudely
perfectly flawlessly | badly poorly
brilliantly cleverly smartly intelligently | stupidly clumsily
! happily thankfully fortunately luckily gladly | sadly unfortunately regrettably
successfully effectively | unsuccessfully poorly
! easily effortlessly smoothly | barely hardly laboriously
! quickly promptly | slowly
! surprisingly refreshingly remarkably | disappointingly depressingly predictably
! consistently | rarely
! genuinely truly really sincerely | hardly barely scarcely
! always | never rarely
! often frequently | rarely seldom
! fully completely thoroughly | barely hardly
! highly | hardly
convincingly believably | unconvincingly
compellingly | tediously
hilariously | painfully
skillfully masterfully deftly expertly | clumsily ineptly
! tightly | loosely
""",
    "noun": """
masterpiece gem treasure triumph classic marvel | mess disaster failure dud travesty
success triumph hit winner victory | failure flop disaster dud loss
delight pleasure joy treat | bore chore disappointment ordeal
fun enjoyment entertainment amusement | boredom tedium misery
beauty elegance grace | ugliness
charm warmth | blandness coldness
! wit humor intelligence | stupidity dullness
! love affection admiration passion | hate hatred contempt
! strength virtue merit | weakness flaw fault
! power energy | weakness fatigue
joy happiness | misery sadness grief
! hope | despair
! depth | shallowness
! originality imagination creativity | banality
brilliance genius | incompetence stupidity
! talent skill | incompetence
! care | neglect
! respect | contempt
! pride | shame
excitement | boredom
! surprise | disappointment
! improvement | decline
! blessing | curse
dream | nightmare
! winner | loser
! hero | villain
! honesty sincerity | dishonesty
! comfort | discomfort
! satisfaction | frustration dissatisfaction
! benefit | problem
! solution | problem
! help | trouble
! luck | misfortune
! praise | blame
! inspiration | cliche
feast | chore
thrill | bore
! victory win | defeat loss
! best | worst
perfection | mediocrity
! shame | honor
waste | treat
mess | gem marvel
joke | treat
! delay cancellation | upgrade
! complaint | compliment
! apology | thank-you
! error bug glitch | feature upgrade
! crash | launch
! mistake | success
! excuse | explanation
! lie | truth
! cheater liar | champion winner
! scandal | celebration
! problem issue | improvement solution
! fee charge | discount refund
! discount refund | fee charge
! nightmare | dream
! theft | gift
! pain | pleasure
! hell | heaven
! anger | joy
! fear | hope
! upgrade | downgrade delay
! fan | critic
! winner champion | loser cheater
! favorite | least-favorite
""",
    "nouns": """
! laughs thrills delights pleasures joys treats | yawns groans problems
! strengths virtues merits | weaknesses flaws faults
masterpieces gems classics treasures triumphs | disasters failures messes duds
successes hits winners | failures flops losers
! surprises | cliches disappointments
dreams | nightmares
! charms | flaws
! heroes | villains
! smiles | tears frowns
! benefits | problems
! solutions | problems issues
! ideas | cliches
! delays cancellations | upgrades
! complaints | compliments
! errors bugs glitches | features upgrades
! mistakes | successes
! excuses | explanations
! lies | truths
! cheaters liars losers | champions winners
! fees charges | discounts refunds
! fans | critics
! issues problems | improvements solutions
""",
    "interjection": """
yay woohoo hooray yippee wow woo bravo | ugh boo meh sigh yuck
""",
}
"""Class -> lines."""

VERB_LINES = """
love adore enjoy like appreciate admire | hate loathe dislike detest despise regret
enjoy | hate suffer endure
! succeed triumph excel | fail flop disappoint
! work | fail
! delight please charm thrill | annoy bore irritate disappoint
! impress satisfy | disappoint frustrate
! amuse entertain | bore annoy
! engage captivate | bore alienate
! enrich | impoverish
! improve enhance | ruin spoil worsen
! save rescue | ruin spoil
! help assist | hurt hinder
! win | lose
! gain | lose
! rise soar | fall sink
! shine sparkle | fade falter stumble
! inspire | depress
! excite | bore
! praise applaud celebrate | criticize mock condemn
! recommend | discourage
! welcome | reject
! respect | insult
! trust | distrust
! accept | reject
! support | oppose
! fix solve repair | break ruin
! build | destroy
! fly | crash
! deserve | waste
! avoid | seek
! manage | fail
! laugh smile | cry groan
! rock | stink
! care | neglect
! remember | forget
! include | lack
! charm | repel
! surprise | disappoint
! move touch | bore
! justify | undermine
! reward | punish
! keep | lose
! found | lost
! miss | find
! cancel | confirm
! refuse deny | offer grant
! ignore | help answer
! wait | relax
! complain | rave
! worry | relax
! charge | refund
! cheat steal | win earn
! crash | run
! delay | speed
! scare | delight
! disconnect | connect
! trust | doubt
! anger upset | please
! miss | catch
! lie | help
"""
"""Base forms; `_lexicon.inflect` makes the others."""
