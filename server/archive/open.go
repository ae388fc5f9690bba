package archive

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
)

// Config says where the archive is.
type Config struct {
	URL       string // s3://BUCKET[/PREFIX] or file:///DIRECTORY
	Endpoint  string // https://HOST[:PORT] of the storage; empty means that of AWS
	Region    string // of the bucket; empty means that the storage is asked
	PathStyle bool   // the bucket is in the path of a URL, not in the name of the host
	// AccessKeyID and SecretAccessKey are credentials of the storage. Without them, they come from where the tools of AWS
	// find them.
	AccessKeyID, SecretAccessKey string
}

// Open opens the archive. It does not reach out to it; see Check.
func Open(c Config) (*Archive, error) {
	address, err := url.Parse(c.URL)
	if err != nil {
		return nil, invalidURL("") // it may hold a password
	}
	var bucket Bucket
	switch {
	case address.RawQuery != "" || address.Fragment != "" || address.User != nil:
		return nil, invalidURL(address.Redacted())
	case address.Scheme == "s3" && address.Host != "":
		if bucket, err = openS3(c, address); err != nil {
			return nil, err
		}
	case address.Scheme == "file" && address.Host == "" && len(address.Path) > 1:
		if c.Endpoint != "" || c.Region != "" || c.PathStyle {
			return nil, errors.New("endpoint, region and path style are only for an output archive in a bucket (s3://…)")
		}
		bucket = directory{filepath.FromSlash(address.Path)}
	default:
		return nil, invalidURL(address.Redacted())
	}
	return New(bucket)
}

func invalidURL(text string) error {
	return fmt.Errorf("invalid output archive %q: want s3://BUCKET[/PREFIX] or file:///DIRECTORY", text)
}

// cleanPrefix is the prefix of keys for the path of a URL.
func cleanPrefix(path string) string {
	if path = strings.Trim(path, "/"); path != "" {
		path += "/"
	}
	return path
}

// Check stores, reads and deletes an object below a folder, and says what is wrong with the archive.
func (a *Archive) Check(ctx context.Context, folder string) error {
	key := folder + "/check-" + rand.Text()
	err := a.check(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("it does not return what was stored a moment ago: %w", err)
	}
	if err != nil {
		return fmt.Errorf("output archive %s: %w", a, err)
	}
	return nil
}

func (a *Archive) check(ctx context.Context, key string) (err error) {
	content := []byte("berth\n")
	if err := a.bucket.Put(ctx, key, bytes.NewReader(content)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.bucket.Delete(ctx, key)) }()
	stored, err := a.fetch(ctx, key, 0, int64(len(content)))
	if err == nil && !bytes.Equal(stored, content) {
		err = damaged("the storage returns other bytes than were stored")
	}
	return err
}
