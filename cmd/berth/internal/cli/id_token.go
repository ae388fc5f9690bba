package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/server/openid"
)

// DefaultIDTokenFile is where a pod has a projected ServiceAccount token for Berth.
const DefaultIDTokenFile = "/var/run/secrets/berth.dev/token"

const (
	// idTokenMax is what the server accepts.
	idTokenMax = 16 << 10
	// githubAttempts and githubPause bridge short failures of GitHub's token endpoint.
	githubAttempts = 3
	githubPause    = 500 * time.Millisecond
)

// identityFlags adds the flags of workload identity: a token of another issuer instead of a stored key.
func identityFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.String("id-token-file", "",
		"file with an ID token of GitHub, GitLab or Kubernetes, to exchange for an API key; alternatively set "+
			"BERTH_ID_TOKEN (default: that of GitHub Actions or of the pod, if nothing else signs in)")
	flags.String("id-token-audience", "", "audience to ask GitHub Actions for (default: the URL of the server)")
	flags.String("id-token-rule", "", "trust rule that shall accept the ID token, if several do")
}

// Identity is how a job without a key proves who it is.
type Identity struct {
	// source names where tokens come from, in messages.
	source string
	token  func(ctx context.Context) (string, error)
	rule   string
	// Automatic: no flag or variable of Berth asks for it, so that it is used only if the server wants a key.
	Automatic bool
}

// identity finds the ID token that was named on the command line or in the environment; nil if none was.
func (a *App) identity(file, rule string) *Identity {
	switch text := a.Env["BERTH_ID_TOKEN"]; {
	case file != "":
		return &Identity{source: "--id-token-file " + file, rule: rule, token: fromFile("--id-token-file "+file, file)}
	case text != "":
		return &Identity{source: "BERTH_ID_TOKEN", rule: rule, token: func(context.Context) (string, error) {
			return cleanToken("BERTH_ID_TOKEN", text)
		}}
	}
	return nil
}

// automaticIdentity finds the ID token that GitHub Actions or Kubernetes offer; nil if neither does.
func (a *App) automaticIdentity(audience, rule string) *Identity {
	request, bearer := a.Env["ACTIONS_ID_TOKEN_REQUEST_URL"], a.Env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
	if request != "" && bearer != "" {
		return &Identity{source: "GitHub Actions", rule: rule, Automatic: true,
			token: func(ctx context.Context) (string, error) { return githubToken(ctx, request, bearer, audience) }}
	}
	if info, err := os.Stat(DefaultIDTokenFile); err == nil && info.Mode().IsRegular() {
		return &Identity{source: DefaultIDTokenFile, rule: rule, Automatic: true,
			token: fromFile(DefaultIDTokenFile, DefaultIDTokenFile)}
	}
	return nil
}

// fromFile reads the file anew each time: Kubernetes replaces the token in it.
func fromFile(source, file string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		opened, err := os.Open(file)
		if err != nil {
			return "", Usagef("%s: read ID token: %v", source, err)
		}
		defer opened.Close()
		data, err := io.ReadAll(io.LimitReader(opened, idTokenMax+1))
		if err != nil {
			return "", Usagef("%s: read ID token: %v", source, err)
		}
		return cleanToken(source, string(data))
	}
}

// cleanToken takes white space off a token. Its errors never contain the token.
func cleanToken(source, text string) (string, error) {
	token, err := CleanKey(source, text)
	switch {
	case err != nil:
		return "", err
	case token == "":
		return "", Usagef("%s: there is no ID token in it", source)
	case len(token) > idTokenMax:
		return "", Usagef("%s: the ID token is longer than %d bytes", source, idTokenMax)
	case strings.Count(token, ".") != 2:
		return "", Usagef("%s: it is not a JSON Web Token, which has three parts with dots between them", source)
	}
	return token, nil
}

// githubToken asks GitHub Actions for a token. The job needs the permission id-token: write.
func githubToken(ctx context.Context, request, bearer, audience string) (string, error) {
	if err := openid.CheckURL(request); err != nil {
		return "", Usagef("ACTIONS_ID_TOKEN_REQUEST_URL: %v", err)
	}
	address, err := url.Parse(request)
	if err != nil {
		return "", Usagef("ACTIONS_ID_TOKEN_REQUEST_URL is not a URL")
	}
	query := address.Query()
	query.Set("audience", audience)
	address.RawQuery = query.Encode()

	client := openid.NewClient(nil)
	defer client.CloseIdleConnections()
	for attempt := 1; ; attempt++ {
		token, again, err := askGitHub(ctx, client, address.String(), bearer)
		if err == nil || !again || attempt == githubAttempts {
			return token, err
		}
		if err := wait(ctx, githubPause); err != nil {
			return "", err
		}
	}
}

func askGitHub(
	ctx context.Context, client *http.Client, address, bearer string,
) (token string, again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", false, errors.New("ask GitHub Actions for an ID token: its address is not valid")
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Accept", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return "", true, fmt.Errorf("ask GitHub Actions for an ID token: %w", rootCause(TransportError(err)))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests,
			fmt.Errorf("ask GitHub Actions for an ID token: it answered with status %d", response.StatusCode)
	}
	var answer struct{ Value string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", false, errors.New("ask GitHub Actions for an ID token: its answer is not JSON")
	}
	token, err = cleanToken("GitHub Actions", answer.Value)
	return token, false, err
}

func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
