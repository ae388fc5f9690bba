package function

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash/adler32"
	"math"

	"github.com/Masterminds/semver/v3"
)

// hashFunctions hash text and compare versions.
func hashFunctions() []Function {
	return group("encoding", []Function{
		{Usage: "sha1sum STRING", Min: 1, Max: 1, Sprig: true,
			Doc: "SHA-1, hexadecimal",
			run: hashing(
				func(s string) string { h := sha1.Sum([]byte(s)); return hex.EncodeToString(h[:]) })},
		{Usage: "sha256sum STRING", Min: 1, Max: 1, Sprig: true,
			Doc: "SHA-256, hexadecimal",
			run: hashing(
				func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) })},
		{Usage: "sha512sum STRING", Min: 1, Max: 1, Sprig: true,
			Doc: "SHA-512, hexadecimal",
			run: hashing(
				func(s string) string { h := sha512.Sum512([]byte(s)); return hex.EncodeToString(h[:]) })},
		{Usage: "adler32sum STRING", Min: 1, Max: 1, Sprig: true,
			Doc: "Adler-32, decimal",
			run: hashing(func(s string) string { return fmt.Sprint(adler32.Checksum([]byte(s))) })},
		{Usage: "semverCompare CONSTRAINT VERSION", Min: 2, Max: 2, Sprig: true, run: runSemverCompare,
			Doc: "whether VERSION satisfies CONSTRAINT"},
		{Usage: "semver VERSION", Min: 1, Max: 1, Sprig: true, run: runSemver,
			Doc: "the parts of a version: Major, Minor, Patch, Prerelease, Metadata, Original"},
	})
}

func hashing(fn func(string) string) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		s, err := c.text(0)
		if err != nil {
			return nil, err
		}
		return fn(s), firstError(c.alloc(len(s)+128), c.Budget.Spend(20))
	}
}

// maxVersion bounds what is read as a version or a constraint.
const maxVersion = 256

func runSemver(c *Call) (any, error) {
	s, err := c.str(0)
	if err != nil {
		return nil, err
	}
	if len(s) > maxVersion {
		return nil, c.errorf("a version must not be longer than %d characters", maxVersion)
	}
	if err := c.Budget.Spend(100); err != nil {
		return nil, err
	}
	version, err := semver.NewVersion(s)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	parts, err := c.newObject(6)
	if err != nil {
		return nil, err
	}
	for key, number := range map[string]uint64{"Major": version.Major(), "Minor": version.Minor(), "Patch": version.Patch()} {
		if number > math.MaxInt64 {
			return nil, c.errorf("%w", errOverflow)
		}
		parts[key] = int64(number)
	}
	parts["Prerelease"], parts["Metadata"], parts["Original"] = version.Prerelease(), version.Metadata(), s
	return parts, nil
}

func runSemverCompare(c *Call) (any, error) {
	s, err := c.strs(2)
	if err != nil {
		return nil, err
	}
	if len(s[0]) > maxVersion || len(s[1]) > maxVersion {
		return nil, c.errorf("a version or constraint must not be longer than %d characters", maxVersion)
	}
	if err := c.Budget.Spend(500); err != nil {
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
