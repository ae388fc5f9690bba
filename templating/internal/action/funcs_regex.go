package action

import (
	"regexp"

	"github.com/berth-dev/berth/templating/internal/value"
)

// regexFunctions match RE2 patterns, which take time linear in the text. The pattern is bounded and paid for by its size.
func regexFunctions() []Function {
	group := []Function{
		{Name: "regexMatch", Usage: "regexMatch PATTERN STRING", Doc: "whether PATTERN matches", Min: 2, Max: 2, run: runRegexMatch},
		{Name: "regexFind", Usage: "regexFind PATTERN STRING", Doc: "the first match", Min: 2, Max: 2, run: runRegexFind},
		{Name: "regexFindAll", Usage: "regexFindAll PATTERN STRING COUNT", Doc: "at most COUNT matches, all where it is -1", Min: 3, Max: 3, run: runRegexFindAll},
		{Name: "regexReplaceAll", Usage: "regexReplaceAll PATTERN STRING REPLACEMENT", Doc: "every match replaced; ${1} is a group", Min: 3, Max: 3, run: func(c *call) (any, error) { return regexReplace(c, (*regexp.Regexp).ReplaceAllString) }},
		{Name: "regexReplaceAllLiteral", Usage: "regexReplaceAllLiteral PATTERN STRING REPLACEMENT", Doc: "every match replaced by just that text", Min: 3, Max: 3, run: func(c *call) (any, error) { return regexReplace(c, (*regexp.Regexp).ReplaceAllLiteralString) }},
		{Name: "regexSplit", Usage: "regexSplit PATTERN STRING COUNT", Doc: "the parts between matches", Min: 3, Max: 3, run: runRegexSplit},
		{Name: "regexQuoteMeta", Usage: "regexQuoteMeta STRING", Doc: "a pattern that matches just STRING", Min: 1, Max: 1, run: widening(regexp.QuoteMeta)},
	}
	for i := range group {
		group[i].Group, group[i].Sprig = "regex", true
	}
	return group
}

// pattern compiles the first argument and pays for matching it against the second.
func (c *call) pattern() (*regexp.Regexp, string, error) {
	s, err := c.strs(2)
	if err != nil {
		return nil, "", err
	}
	size, err := value.RegexpSize(s[0])
	if err != nil {
		return nil, "", c.errorf("%w", err)
	}
	if err := firstError(c.m.budget.Spend(int64(size)*4+int64(size)*int64(len(s[1]))>>3), c.m.budget.Alloc(int64(size)*100)); err != nil {
		return nil, "", err
	}
	compiled, err := regexp.Compile(s[0])
	if err != nil {
		return nil, "", c.errorf("%w", err)
	}
	return compiled, s[1], nil
}

func runRegexMatch(c *call) (any, error) {
	pattern, s, err := c.pattern()
	if err != nil {
		return nil, err
	}
	return pattern.MatchString(s), nil
}

func runRegexFind(c *call) (any, error) {
	pattern, s, err := c.pattern()
	if err != nil {
		return nil, err
	}
	return pattern.FindString(s), nil
}

// matches pays for as many matches as there may be.
func (c *call) matches(s string) (int, error) {
	n, err := c.integer(2)
	if err != nil {
		return 0, err
	}
	most := int64(len(s)) + 1
	if n >= 0 {
		most = min(most, n)
	}
	return int(max(n, -1)), c.m.budget.Alloc(most * 80)
}

func runRegexFindAll(c *call) (any, error) {
	pattern, s, err := c.pattern()
	if err != nil {
		return nil, err
	}
	n, err := c.matches(s)
	if err != nil {
		return nil, err
	}
	return c.strings(pattern.FindAllString(s, n))
}

func runRegexSplit(c *call) (any, error) {
	pattern, s, err := c.pattern()
	if err != nil {
		return nil, err
	}
	n, err := c.matches(s)
	if err != nil {
		return nil, err
	}
	return c.strings(pattern.Split(s, n))
}

// regexReplace counts the matches first: each may become as long as the replacement, with every group in it as long as the text.
func regexReplace(c *call, replace func(*regexp.Regexp, string, string) string) (any, error) {
	pattern, s, err := c.pattern()
	if err != nil {
		return nil, err
	}
	with, err := c.str(2)
	if err != nil {
		return nil, err
	}
	if err := c.m.budget.Alloc((int64(len(s)) + 1) * 80); err != nil {
		return nil, err
	}
	matched, found := int64(0), pattern.FindAllStringIndex(s, -1)
	for _, match := range found {
		matched += int64(match[1] - match[0])
	}
	// A group is part of its match, so it can stand in the result once for each two characters of the replacement.
	size := int64(len(s)) + int64(len(found))*int64(len(with)) + matched*(int64(len(with))/2+1)
	if err := c.m.budget.Alloc(size); err != nil {
		return nil, err
	}
	return replace(pattern, s, with), nil
}
