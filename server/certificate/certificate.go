// Package certificate serves TLS with a certificate from files, and takes up a new one when they change: as
// those of a Secret do, whose files are links that are swapped all at once, or those of a tool that renews
// certificates in place.
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

// Files is a certificate that lives in two files. It is safe for concurrent use.
type Files struct {
	certFile, keyFile string
	logger            *slog.Logger
	current           atomic.Pointer[tls.Certificate]
	seen              []byte // of what the files held when they were looked at last, whether it was good or not
}

// Open reads the certificate, with its chain, and its key, both in PEM.
func Open(certFile, keyFile string, logger *slog.Logger) (*Files, error) {
	f := &Files{certFile: certFile, keyFile: keyFile, logger: logger}
	if _, err := f.reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Config serves the newest certificate that was good.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current.Load(), nil },
	}
}

// NotAfter is when the certificate that is served ends.
func (f *Files) NotAfter() time.Time { return f.current.Load().Leaf.NotAfter }

// Run looks at the files every so often until ctx ends. It reads them anew each time: what tells of changes
// does not work on every file system, and a link that is swapped is a change of none of its files.
func (f *Files) Run(ctx context.Context, every time.Duration) error {
	ticker := time.NewTicker(every)
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
			f.logger.Warn(
				"the new certificate is not good, serving the one before",
				"file",
				f.certFile,
				"error",
				err,
			)
		case changed:
			f.logger.Info("serving a new certificate", "file", f.certFile, "not_after", f.NotAfter())
		}
	}
}

// reload takes up what the files hold. It says whether that is something else than the last time, good or
// not.
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
		return changed, fmt.Errorf("read the TLS certificate: %w", certErr)
	case keyErr != nil:
		return changed, fmt.Errorf("read the key of the TLS certificate: %w", keyErr)
	case !changed:
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return true, fmt.Errorf("TLS certificate %s with key %s: %w", f.certFile, f.keyFile, err)
	}
	f.current.Store(&pair)
	return true, nil
}
