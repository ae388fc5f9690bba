package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/spf13/cobra"
)

// Sessions is the file in which `berth login` keeps sessions. It stands beside the configuration file, which
// people share and check in; this one holds secrets and is for its owner only.
type Sessions struct {
	// Current is the server of the last login. It is used where nothing else names one.
	Current string             `yaml:"current,omitempty"`
	Servers map[string]Session `yaml:"servers,omitempty"`

	path string
}

// Session is a session at one server. Its token goes to that server only.
type Session struct {
	Token     string    `yaml:"token"`
	User      string    `yaml:"user"`
	ExpiresAt time.Time `yaml:"expires_at"`
}

const (
	ownerFile = 0o600
	ownerDir  = 0o700
)

// Sessions reads the sessions that belong to the configuration file of a command.
func (a *App) Sessions(cmd *cobra.Command) (Sessions, error) {
	// The flag is there on every command that got ClientFlags; elsewhere the empty value is right.
	config, _ := cmd.Flags().GetString("config")
	asked := config != ""
	if !asked {
		config = a.ConfigPath()
	}
	if config == "" {
		return Sessions{}, nil
	}
	s := Sessions{path: filepath.Join(filepath.Dir(config), "sessions.yaml")}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) || !asked && outOfReach(err) {
		return s, nil
	}
	if err != nil {
		return s, Usagef("read sessions: %v", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return s, Usagef("sessions %s: %v; delete the file and sign in again", s.path, err)
	}
	return s, nil
}

// serverURL is the key of a server: two spellings of one URL are one server.
func serverURL(url string) string { return strings.TrimSuffix(strings.ToLower(url), "/") }

// Find returns the session at a server; its token is empty if there is none.
func (s Sessions) Find(url string) Session { return s.Servers[serverURL(url)] }

// Put stores the session at a server, or forgets it if its token is empty.
func (s Sessions) Put(url string, session Session) error {
	if s.path == "" {
		return Usagef("HOME is not set: choose a configuration file with --config; sessions are kept beside it")
	}
	key := serverURL(url)
	servers := map[string]Session{}
	for name, one := range s.Servers {
		servers[name] = one
	}
	s.Servers, s.Current = servers, key
	servers[key] = session
	if session.Token == "" {
		delete(servers, key)
	}
	data, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode sessions: %w", err)
	}
	return s.write(data)
}

// write replaces the file as a whole, so that a crash leaves the old one, and only its owner can read it at
// any time.
func (s Sessions) write(data []byte) error {
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, ownerDir); err != nil {
		return fmt.Errorf("store session: %w", err)
	}
	file, err := os.CreateTemp(dir, ".sessions-*")
	if err != nil {
		return fmt.Errorf("store session: %w", err)
	}
	err = errors.Join(file.Chmod(ownerFile), second(file.Write(data)), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), s.path)
	}
	if err != nil {
		return fmt.Errorf("store session: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}

func second(_ int, err error) error { return err }
