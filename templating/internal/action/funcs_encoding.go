package action

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/adler32"
	"net/url"
	"reflect"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/berth-dev/berth/templating/internal/value"
)

// encodingFunctions write and read YAML, JSON and base64, and hash.
func encodingFunctions() []Function {
	group := []Function{
		{
			Name:  "toYaml",
			Usage: "toYaml VALUE",
			Doc:   "VALUE as YAML, without a new line at the end",
			Min:   1,
			Max:   1,
			run:   runToYAML,
		},
		{
			Name:  "fromYaml",
			Usage: "fromYaml STRING",
			Doc:   "the value that YAML says",
			Min:   1,
			Max:   1,
			run:   runFromYAML,
		},
		{
			Name:  "toJson",
			Usage: "toJson VALUE",
			Doc:   "VALUE as JSON",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   runToJSON,
		},
		{
			Name:  "toPrettyJson",
			Usage: "toPrettyJson VALUE",
			Doc:   "VALUE as JSON over several lines",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   runToPrettyJSON,
		},
		{
			Name:  "fromJson",
			Usage: "fromJson STRING",
			Doc:   "the value that JSON says",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   runFromJSON,
		},
		{
			Name:  "b64enc",
			Usage: "b64enc STRING",
			Doc:   "base64",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   widening(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }),
		},
		{
			Name:  "b64dec",
			Usage: "b64dec STRING",
			Doc:   "what base64 holds, which must be text",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   decoding(base64.StdEncoding.DecodeString),
		},
		{
			Name:  "b32enc",
			Usage: "b32enc STRING",
			Doc:   "base32",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   widening(func(s string) string { return base32.StdEncoding.EncodeToString([]byte(s)) }),
		},
		{
			Name:  "b32dec",
			Usage: "b32dec STRING",
			Doc:   "what base32 holds, which must be text",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   decoding(base32.StdEncoding.DecodeString),
		},
		{
			Name:  "sha1sum",
			Usage: "sha1sum STRING",
			Doc:   "SHA-1, hexadecimal",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   hashing(func(s string) string { h := sha1.Sum([]byte(s)); return hex.EncodeToString(h[:]) }),
		},
		{
			Name:  "sha256sum",
			Usage: "sha256sum STRING",
			Doc:   "SHA-256, hexadecimal",
			Min:   1,
			Max:   1,
			Sprig: true,
			run: hashing(
				func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }),
		},
		{
			Name:  "sha512sum",
			Usage: "sha512sum STRING",
			Doc:   "SHA-512, hexadecimal",
			Min:   1,
			Max:   1,
			Sprig: true,
			run: hashing(
				func(s string) string { h := sha512.Sum512([]byte(s)); return hex.EncodeToString(h[:]) }),
		},
		{
			Name:  "adler32sum",
			Usage: "adler32sum STRING",
			Doc:   "Adler-32, decimal",
			Min:   1,
			Max:   1,
			Sprig: true,
			run:   hashing(func(s string) string { return fmt.Sprint(adler32.Checksum([]byte(s))) }),
		},
		{
			Name:  "urlquery",
			Usage: "urlquery STRING",
			Doc:   "escaped for the query of a URL",
			Min:   1,
			Max:   1,
			run:   runURLQuery,
		},
		{
			Name:  "semverCompare",
			Usage: "semverCompare CONSTRAINT VERSION",
			Doc:   "whether VERSION satisfies CONSTRAINT",
			Min:   2,
			Max:   2,
			Sprig: true,
			run:   runSemverCompare,
		},
	}
	for i := range group {
		group[i].Group = "encoding"
	}
	return group
}

func runToYAML(c *call) (any, error) {
	size, err := c.deep(0)
	if err != nil {
		return nil, err
	}
	// A node of the YAML library weighs about this much, and takes this much longer than a step.
	if err := firstError(c.m.budget.Alloc(yamlSetup+size.Nodes*256+2*size.Bytes), c.m.budget.Spend(300+size.Nodes*15+size.Bytes>>3)); err != nil {
		return nil, err
	}
	data, err := value.EncodeYAML(c.args[0])
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return c.made(strings.TrimSuffix(string(data), "\n"))
}

// yamlSetup is what the YAML library allocates before it does anything.
const yamlSetup = 32 << 10

func runFromYAML(c *call) (any, error) {
	s, err := c.str(0)
	if err != nil {
		return nil, err
	}
	if err := payForParsing(c.m.budget, len(s)); err != nil {
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

func runToJSON(c *call) (any, error) {
	size, err := c.deep(0)
	if err != nil {
		return nil, err
	}
	if err := c.m.budget.Alloc(2 * size.Bytes); err != nil {
		return nil, err
	}
	data, err := value.AppendJSON(nil, c.args[0])
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return c.made(string(data))
}

func runToPrettyJSON(c *call) (any, error) {
	v, err := runToJSON(c)
	if err != nil {
		return nil, err
	}
	size, err := c.m.budget.Measure(c.args[0])
	if err != nil {
		return nil, err
	}
	if err := c.m.budget.Alloc(size.Bytes + size.Nodes*2*(value.MaxDepth+1)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	compact, _ := v.(string) // toJson makes a string
	if err := json.Indent(&out, []byte(compact), "", "  "); err != nil {
		return nil, c.errorf("%w", err)
	}
	return out.String(), nil
}

func runFromJSON(c *call) (any, error) {
	s, err := c.str(0)
	if err != nil {
		return nil, err
	}
	if err := firstError(c.m.budget.Alloc(int64(len(s))*24), c.m.budget.Spend(int64(len(s))>>1)); err != nil {
		return nil, err
	}
	v, err := value.DecodeJSON([]byte(s))
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return v, nil
}

// widening lifts a function whose result is at most twice as long as its argument.
func widening(fn func(string) string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		s, err := c.str(0)
		if err != nil {
			return nil, err
		}
		if err := c.making(2*len(s) + 8); err != nil {
			return nil, err
		}
		return fn(s), nil
	}
}

func decoding(fn func(string) ([]byte, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		s, err := c.str(0)
		if err != nil {
			return nil, err
		}
		if err := c.making(len(s)); err != nil {
			return nil, err
		}
		data, err := fn(s)
		if err != nil {
			return nil, c.errorf("%w", err)
		}
		return strings.ToValidUTF8(string(data), "\ufffd"), nil
	}
}

func hashing(fn func(string) string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		s, err := c.text(0)
		if err != nil {
			return nil, err
		}
		return fn(s), firstError(c.making(len(s)+128), c.m.budget.Spend(20))
	}
}

func runURLQuery(c *call) (any, error) {
	s, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if err := c.making(3 * len(s)); err != nil {
		return nil, err
	}
	return url.QueryEscape(s), nil
}

// maxVersion bounds what is read as a version or a constraint.
const maxVersion = 256

func runSemverCompare(c *call) (any, error) {
	s, err := c.strs(2)
	if err != nil {
		return nil, err
	}
	if len(s[0]) > maxVersion || len(s[1]) > maxVersion {
		return nil, c.errorf("a version has at most %d characters", maxVersion)
	}
	if err := c.m.budget.Spend(500); err != nil {
		return nil, err
	}
	constraint, err := semver.NewConstraint(s[0])
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	version, err := semver.NewVersion(s[1])
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return constraint.Check(version), nil
}

// sameObject says whether two objects are one.
func sameObject(a, b map[string]any) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}
