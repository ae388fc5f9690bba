package certificate_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-dev/berth/server/certificate"
	"github.com/berth-dev/berth/server/certificate/certtest"
)

// secret is a directory as a mounted Secret is: its files are links through another link, which is swapped.
type secret struct {
	t   *testing.T
	dir string
	n   int
}

func (s *secret) put(pair certtest.Pair) {
	s.t.Helper()
	s.n++
	version := "..v" + strings.Repeat("i", s.n)
	for _, err := range []error{
		os.Mkdir(filepath.Join(s.dir, version), 0o700),
		os.WriteFile(filepath.Join(s.dir, version, "tls.crt"), pair.Cert, 0o600),
		os.WriteFile(filepath.Join(s.dir, version, "tls.key"), pair.Key, 0o600),
		os.Symlink(version, filepath.Join(s.dir, "..new")),
		os.Rename(filepath.Join(s.dir, "..new"), filepath.Join(s.dir, "..data")),
	} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if s.n > 1 {
		return
	}
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(s.dir, name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *secret) files() (cert, key string) {
	return filepath.Join(s.dir, "tls.crt"), filepath.Join(s.dir, "tls.key")
}

func serial(t *testing.T, f *certificate.Files) int64 {
	t.Helper()
	served, err := f.Config().GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return served.Leaf.SerialNumber.Int64()
}

func TestValidCertificateIsReloadedAndInvalidOneIsNot(t *testing.T) {
	one, two, three := certtest.New(t, 1), certtest.New(t, 2), certtest.New(t, 3)
	mounted := &secret{t: t, dir: t.TempDir()}
	mounted.put(one)
	cert, key := mounted.files()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		files, err := certificate.Open(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- files.Run(ctx, 10*time.Second) }()
		for _, step := range []struct {
			name string
			put  *certtest.Pair
			want int64
		}{
			{"unchanged files", nil, 1},
			{"new certificate", &two, 2},
			{"certificate with the key of another", &certtest.Pair{Cert: three.Cert, Key: two.Key}, 2},
			{"file without a certificate", &certtest.Pair{Cert: []byte("x"), Key: three.Key}, 2},
			{"valid certificate again", &three, 3},
		} {
			if step.put != nil {
				mounted.put(*step.put)
			}
			time.Sleep(25 * time.Second) // synthetic time: two reload intervals
			synctest.Wait()
			if got := serial(t, files); got != step.want {
				t.Errorf("%s: serial number = %d, want %d", step.name, got, step.want)
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		reloaded := strings.Count(log.String(), "certificate reloaded")
		invalid := strings.Count(log.String(), "certificate is invalid")
		if reloaded != 2 || invalid != 2 {
			t.Errorf("want two reloads and two invalid certificates logged, got:\n%s", &log)
		}
	})
}

func TestOpenRefusesInvalidFiles(t *testing.T) {
	mounted := &secret{t: t, dir: t.TempDir()}
	mounted.put(certtest.Pair{Cert: []byte("x"), Key: []byte("y")})
	cert, key := mounted.files()
	discard := slog.New(slog.DiscardHandler)
	if _, err := certificate.Open(cert, key, discard); err == nil || !strings.Contains(err.Error(), cert) {
		t.Errorf("got %v, want an error that names the file", err)
	}
	for _, files := range [][2]string{{cert + "x", key}, {cert, key + "x"}} {
		if _, err := certificate.Open(files[0], files[1], discard); err == nil {
			t.Error("missing file was accepted")
		}
	}
}
