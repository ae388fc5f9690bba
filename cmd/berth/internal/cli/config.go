package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"go.yaml.in/yaml/v3"
)

// Config is the configuration file of the client: where the server is and who is asking.
type Config struct {
	APIURL string `yaml:"api_url"`
	APIKey string `yaml:"api_key"`
	CAFile string `yaml:"ca_file"`
}

// ConfigPath is the default path of the configuration file.
func (a *App) ConfigPath() string {
	if dir := a.Env["XDG_CONFIG_HOME"]; dir != "" {
		return filepath.Join(dir, "berth", "config.yaml")
	}
	if home := a.Env["HOME"]; home != "" {
		return filepath.Join(home, ".config", "berth", "config.yaml")
	}
	return ""
}

// ReadConfig reads the configuration file, strictly. A file that is not there, or that this user cannot reach, is
// an empty one, unless it was asked for.
func (a *App) ReadConfig(path string) (Config, error) {
	asked := path != ""
	if !asked {
		path = a.ConfigPath()
	}
	if path == "" {
		return Config{}, nil
	}
	data, err := os.ReadFile(path)
	if !asked && outOfReach(err) {
		return Config{}, nil
	}
	if err != nil {
		return Config{}, Usagef("read configuration: %v", err)
	}
	var config Config
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&config); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, Usagef("configuration %s: %v (it knows api_url, api_key and ca_file)", path, err)
	}
	config.APIURL, config.CAFile = trimmed(config.APIURL), trimmed(config.CAFile)
	return config, nil
}

// outOfReach reports whether a file is not there for this user. In a container, HOME is often a directory of
// another user.
func outOfReach(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR)
}

// DataDir is the user's data directory, where `berth dev` keeps what shall survive a restart.
func (a *App) DataDir() (string, error) {
	if dir := a.Env["XDG_DATA_HOME"]; dir != "" {
		return filepath.Join(dir, "berth"), nil
	}
	if home := a.Env["HOME"]; home != "" {
		return filepath.Join(home, ".local", "share", "berth"), nil
	}
	return "", fmt.Errorf("no data directory: HOME is not set; set --data-dir")
}
