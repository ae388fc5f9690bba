package function

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/berth-dev/berth/templating/internal/value"
)

// encodingFunctions read and write YAML, JSON, base64, base32 and URL queries.
func encodingFunctions() []Function {
	return group("encoding", []Function{
		{Usage: "toYaml VALUE", Min: 1, Max: 1, run: runToYAML,
			Doc: "VALUE as YAML, without a new line at the end"},
		{Usage: "fromYaml STRING", Min: 1, Max: 1, run: runFromYAML,
			Doc: "the value that YAML says"},
		{Usage: "toJson VALUE", Min: 1, Max: 1, Sprig: true, run: runToJSON,
			Doc: "VALUE as JSON"},
		{Usage: "toPrettyJson VALUE", Min: 1, Max: 1, Sprig: true, run: runToPrettyJSON,
			Doc: "VALUE as JSON over several lines"},
		{Usage: "fromJson STRING", Min: 1, Max: 1, Sprig: true, run: runFromJSON,
			Doc: "the value that JSON says"},
		{Usage: "b64enc STRING", Min: 1, Max: 1, Sprig: true,
			Doc: "base64",
			run: widening(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })},
		{Usage: "b64dec STRING", Min: 1, Max: 1, Sprig: true, run: decoding(base64.StdEncoding.DecodeString),
			Doc: "what base64 holds, which must be text"},
		{Usage: "b32enc STRING", Min: 1, Max: 1, Sprig: true,
			Doc: "base32",
			run: widening(func(s string) string { return base32.StdEncoding.EncodeToString([]byte(s)) })},
		{Usage: "b32dec STRING", Min: 1, Max: 1, Sprig: true, run: decoding(base32.StdEncoding.DecodeString),
			Doc: "what base32 holds, which must be text"},
		{Usage: "urlquery STRING", Min: 1, Max: 1, run: runURLQuery,
			Doc: "escaped for the query of a URL"},
	})
}

func runToYAML(c *Call) (any, error) {
	size, err := c.measure(0)
	if err != nil {
		return nil, err
	}
	// A node of the YAML library weighs about this much, and takes this much longer than a step.
	if err := firstError(c.Budget.Alloc(yamlSetup+size.Nodes*256+2*size.Bytes), c.Budget.Spend(300+size.Nodes*15+size.Bytes>>3)); err != nil {
		return nil, err
	}
	data, err := value.EncodeYAML(c.args[0])
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return c.result(strings.TrimSuffix(string(data), "\n"))
}

// yamlSetup is what the YAML library allocates before it does anything.
const yamlSetup = 32 << 10

func runFromYAML(c *Call) (any, error) {
	s, err := c.str(0)
	if err != nil {
		return nil, err
	}
	if err := payForParsing(c.Budget, len(s)); err != nil {
		return nil, err
	}
	v, err := value.DecodeYAML([]byte(s))
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return v, nil
}

// payForParsing pays for reading YAML: in the worst case every two bytes become a node.
func payForParsing(budget *value.Budget, n int) error {
	return firstError(budget.Alloc(yamlSetup+int64(n)*48), budget.Spend(300+int64(n)))
}

func runToJSON(c *Call) (any, error) {
	size, err := c.measure(0)
	if err != nil {
		return nil, err
	}
	if err := c.Budget.Alloc(2 * size.Bytes); err != nil {
		return nil, err
	}
	data, err := value.AppendJSON(nil, c.args[0])
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return c.result(string(data))
}

func runToPrettyJSON(c *Call) (any, error) {
	v, err := runToJSON(c)
	if err != nil {
		return nil, err
	}
	size, err := c.Budget.Measure(c.args[0])
	if err != nil {
		return nil, err
	}
	if err := c.Budget.Alloc(size.Bytes + size.Nodes*2*(value.MaxDepth+1)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	compact, _ := v.(string) // toJson makes a string
	if err := json.Indent(&out, []byte(compact), "", "  "); err != nil {
		return nil, c.errorf("%w", err)
	}
	return out.String(), nil
}

func runFromJSON(c *Call) (any, error) {
	s, err := c.str(0)
	if err != nil {
		return nil, err
	}
	if err := firstError(c.Budget.Alloc(int64(len(s))*24), c.Budget.Spend(int64(len(s))>>1)); err != nil {
		return nil, err
	}
	v, err := value.DecodeJSON([]byte(s))
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return v, nil
}

// widening lifts a function whose result is at most twice as long as its argument.
func widening(fn func(string) string) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		s, err := c.str(0)
		if err != nil {
			return nil, err
		}
		if err := c.alloc(2*len(s) + 8); err != nil {
			return nil, err
		}
		return fn(s), nil
	}
}

func decoding(fn func(string) ([]byte, error)) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		s, err := c.str(0)
		if err != nil {
			return nil, err
		}
		if err := c.alloc(len(s)); err != nil {
			return nil, err
		}
		data, err := fn(s)
		if err != nil {
			return nil, c.errorf("%w", err)
		}
		return strings.ToValidUTF8(string(data), "\ufffd"), nil
	}
}

func runURLQuery(c *Call) (any, error) {
	s, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if err := c.alloc(3 * len(s)); err != nil {
		return nil, err
	}
	return url.QueryEscape(s), nil
}
