package function

import (
	"net/url"
)

// urlFunctions take URLs apart and put them together, as sprig does.
func urlFunctions() []Function {
	return sprigGroup("url", []Function{
		{Usage: "urlParse STRING", Min: 1, Max: 1, run: runURLParse,
			Doc: "the parts of a URL: scheme, host, hostname, path, query, opaque, fragment, userinfo"},
		{Usage: "urlJoin OBJECT", Min: 1, Max: 1, run: runURLJoin,
			Doc: "the URL of the parts that urlParse returns"},
	})
}

// maxURL bounds the texts that are read as URLs.
const maxURL = 64 << 10

func (c *Call) url(s string) (*url.URL, error) {
	if len(s) > maxURL {
		return nil, c.errorf("a URL must not be longer than %d bytes", maxURL)
	}
	if err := firstError(c.Budget.Spend(100+int64(len(s))>>2), c.alloc(512+4*len(s))); err != nil {
		return nil, err
	}
	parsed, err := url.Parse(s)
	if err != nil {
		return nil, c.errorf("%.80q is not a URL", s)
	}
	return parsed, nil
}

func runURLParse(c *Call) (any, error) {
	s, err := c.str(0)
	if err != nil {
		return nil, err
	}
	parsed, err := c.url(s)
	if err != nil {
		return nil, err
	}
	parts, err := c.newObject(8)
	if err != nil {
		return nil, err
	}
	userinfo := ""
	if parsed.User != nil {
		userinfo = parsed.User.String()
	}
	for key, part := range map[string]string{
		"scheme": parsed.Scheme, "host": parsed.Host, "hostname": parsed.Hostname(), "path": parsed.Path,
		"query": parsed.RawQuery, "opaque": parsed.Opaque, "fragment": parsed.Fragment, "userinfo": userinfo,
	} {
		parts[key] = part
	}
	return parts, nil
}

func runURLJoin(c *Call) (any, error) {
	parts, err := c.object(0)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, key := range []string{"scheme", "host", "path", "query", "opaque", "fragment", "userinfo"} {
		v, given := parts[key]
		text, ok := v.(string)
		if given && !ok {
			return nil, c.errorf("%s must be a string", key)
		}
		if len(text) > maxURL {
			return nil, c.errorf("a URL must not be longer than %d bytes", maxURL)
		}
		texts[key] = text
	}
	joined := url.URL{
		Scheme: texts["scheme"], Host: texts["host"], Path: texts["path"], RawQuery: texts["query"],
		Opaque: texts["opaque"], Fragment: texts["fragment"],
	}
	if texts["userinfo"] != "" {
		with, err := c.url("proto://" + texts["userinfo"] + "@host")
		if err != nil {
			return nil, err
		}
		joined.User = with.User
	}
	size := 0
	for _, text := range texts {
		size += 3 * len(text)
	}
	if err := firstError(c.Budget.Spend(100+int64(size)>>2), c.alloc(size)); err != nil {
		return nil, err
	}
	return joined.String(), nil
}
