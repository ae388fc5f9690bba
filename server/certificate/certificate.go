// Package certificate serves TLS with a certificate from files and reloads it when they change. Files of a
// mounted Secret change all at once, because a symbolic link is swapped; other tools rewrite files in place.
package certificate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// Files is a certificate in two files. Config and NotAfter are safe for concurrent use with Run.
type Files struct {
	certFile, keyFile string
	logger            *slog.Logger
	current           atomic.Pointer[tls.Certificate]
	seen              []byte // digest of the files when they were last read, valid or not
}

// Open reads the certificate, with its chain, and its key. Both are PEM files.
func Open(certFile, keyFile string, logger *slog.Logger) (*Files, error) {
	f := &Files{certFile: certFile, keyFile: keyFile, logger: logger}
	if _, err := f.reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Config returns a TLS configuration that serves the newest valid certificate.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current.Load(), nil },
	}
}

// NotAfter is when the served certificate expires.
func (f *Files) NotAfter() time.Time { return f.current.Load().Leaf.NotAfter }

// Run reads the files at every interval until ctx ends, and reloads the certificate if they have changed. It
// polls, because change notifications do not work on every file system and miss swapped links.
func (f *Files) Run(ctx context.Context, interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		changed, err := f.reload()
		switch {
		case err != nil && changed:
			f.logger.Warn("new certificate is invalid, still serving the old one",
				"file", f.certFile, "error", err)
		case changed:
			f.logger.Info("certificate reloaded", "file", f.certFile, "not_after", f.NotAfter())
		}
	}
}

// reload reads the files and serves their certificate if it is valid. changed is true if the files differ
// from the last time, valid or not, so that the same invalid files are logged only once.
func (f *Files) reload() (changed bool, err error) {
	digest := sha256.New()
	cert, certErr := os.ReadFile(f.certFile)
	key, keyErr := os.ReadFile(f.keyFile)
	for _, part := range [][]byte{cert, {0}, key, {0}, []byte(fmt.Sprint(certErr, keyErr))} {
		digest.Write(part)
	}
	seen := digest.Sum(nil)
	changed = !bytes.Equal(seen, f.seen)
	f.seen = seen

	switch {
	case certErr != nil:
		return changed, fmt.Errorf("read TLS certificate: %w", certErr)
	case keyErr != nil:
		return changed, fmt.Errorf("read TLS key: %w", keyErr)
	case !changed:
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return true, fmt.Errorf("load TLS certificate %s with key %s: %w", f.certFile, f.keyFile, err)
	}
	f.current.Store(&pair)
	return true, nil
}
