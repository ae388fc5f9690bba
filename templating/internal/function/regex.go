package function

import (
	"regexp"

	"github.com/berth-dev/berth/templating/internal/value"
)

// regexFunctions match RE2 patterns, which take time linear in the text. A pattern is bounded, and paid for
// by its size.
func regexFunctions() []Function {
	return sprigGroup("regex", []Function{
		{Usage: "regexMatch PATTERN STRING", Min: 2, Max: 2, run: runRegexMatch,
			Doc: "whether PATTERN matches"},
		{Usage: "regexFind PATTERN STRING", Min: 2, Max: 2, run: runRegexFind,
			Doc: "the first match"},
		{Usage: "regexFindAll PATTERN STRING COUNT", Min: 3, Max: 3, run: runRegexFindAll,
			Doc: "at most COUNT matches, all where it is -1"},
		{Usage: "regexReplaceAll PATTERN STRING REPLACEMENT", Min: 3, Max: 3,
			Doc: "every match replaced; ${1} is a group",
			run: func(c *Call) (any, error) { return regexReplace(c, (*regexp.Regexp).ReplaceAllString) }},
		{Usage: "regexReplaceAllLiteral PATTERN STRING REPLACEMENT", Min: 3, Max: 3,
			Doc: "every match replaced by just that text",
			run: func(c *Call) (any, error) { return regexReplace(c, (*regexp.Regexp).ReplaceAllLiteralString) }},
		{Usage: "regexSplit PATTERN STRING COUNT", Min: 3, Max: 3, run: runRegexSplit,
			Doc: "the parts between matches"},
		{Usage: "regexQuoteMeta STRING", Min: 1, Max: 1, run: widening(regexp.QuoteMeta),
			Doc: "a pattern that matches just STRING"},
	})
}

// search is a pattern, the text it is looked for in, and what that takes.
type search struct {
	*regexp.Regexp
	text string
	cost value.RegexpCost
}

// pattern compiles the first argument and pays for matching it against the second.
func (c *Call) pattern() (*search, error) {
	s, err := c.strs(2)
	if err != nil {
		return nil, err
	}
	cost, err := value.MeasureRegexp(s[0])
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	if err := firstError(c.payForMatching(cost, len(s[1])), c.Budget.Spend(int64(cost.Size)*4), c.Budget.Alloc(int64(cost.Size)*100)); err != nil {
		return nil, err
	}
	compiled, err := regexp.Compile(s[0])
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return &search{Regexp: compiled, text: s[1], cost: cost}, nil
}

// payForMatching pays for looking at n bytes.
func (c *Call) payForMatching(cost value.RegexpCost, n int) error {
	return c.Budget.Spend(int64(cost.Size) * int64(n) >> 3)
}

// firstMatches is how many matches are looked for at first.
const firstMatches = 16

// matches finds the places of at most n matches, of all where n is negative. Every match may have taken a
// look at all that is left of the text, and how many there are is not known before; so they are looked for in
// batches, each four times the one before, and each is paid for before.
func (c *Call) matches(p *search, n int64) ([][]int, error) {
	most := int64(len(p.text)) + 1
	if n >= 0 {
		most = min(most, n)
	}
	beyond := min(p.cost.Beyond, len(p.text))
	if p.cost.Beyond < 0 {
		beyond = len(p.text)
	}
	for batch := min(firstMatches, most); ; batch = min(4*batch, most) {
		// Whoever calls goes over the text once more, for what it makes of the matches.
		looks := 2 * (int64(len(p.text)) + batch*int64(beyond))
		if err := firstError(c.payForMatching(p.cost, int(looks)), c.Budget.Alloc(batch*80)); err != nil {
			return nil, err
		}
		found := p.FindAllStringIndex(p.text, int(batch))
		if int64(len(found)) < batch || batch == most {
			return found, nil
		}
	}
}

func runRegexMatch(c *Call) (any, error) {
	p, err := c.pattern()
	if err != nil {
		return nil, err
	}
	return p.MatchString(p.text), nil
}

func runRegexFind(c *Call) (any, error) {
	p, err := c.pattern()
	if err != nil {
		return nil, err
	}
	return p.FindString(p.text), nil
}

// counted is the pattern, and the number of matches that the third argument asks for.
func (c *Call) counted() (*search, int64, error) {
	p, err := c.pattern()
	if err != nil {
		return nil, 0, err
	}
	n, err := c.integer(2)
	return p, max(n, -1), err
}

func runRegexFindAll(c *Call) (any, error) {
	p, n, err := c.counted()
	if err != nil {
		return nil, err
	}
	places, err := c.matches(p, n)
	if err != nil {
		return nil, err
	}
	found := make([]string, len(places))
	for i, place := range places {
		found[i] = p.text[place[0]:place[1]]
	}
	return c.strings(found)
}

func runRegexSplit(c *Call) (any, error) {
	p, n, err := c.counted()
	if err != nil {
		return nil, err
	}
	if _, err := c.matches(p, n); err != nil {
		return nil, err
	}
	return c.strings(p.Split(p.text, int(min(n, int64(len(p.text))+2))))
}

// regexReplace counts the matches first: each may become as long as the replacement, with every group in it
// as long as the text.
func regexReplace(c *Call, replace func(*regexp.Regexp, string, string) string) (any, error) {
	p, err := c.pattern()
	if err != nil {
		return nil, err
	}
	with, err := c.str(2)
	if err != nil {
		return nil, err
	}
	found, err := c.matches(p, -1)
	if err != nil {
		return nil, err
	}
	matched := int64(0)
	for _, match := range found {
		matched += int64(match[1] - match[0])
	}
	// A group is part of its match, so it can stand in the result once for each two characters of the
	// replacement.
	size := int64(len(p.text)) + int64(len(found))*int64(len(with)) + matched*(int64(len(with))/2+1)
	if err := c.Budget.Alloc(size); err != nil {
		return nil, err
	}
	return replace(p.Regexp, p.text, with), nil
}
