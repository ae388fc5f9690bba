// Package prefect reads what a Prefect server has, and writes it as a berth.yaml. It changes nothing there.
package prefect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client reads the API of a Prefect server, or of Prefect Cloud.
type Client struct {
	// URL is that of the API, as PREFECT_API_URL has it, such as http://127.0.0.1:4200/api.
	URL string
	// Key is an API key of Prefect Cloud; Basic is USER:PASSWORD of a server that asks for it. At most one of them.
	Key, Basic string
	// Transport carries the requests; nil means the usual one.
	Transport http.RoundTripper
}

const (
	requestTimeout = time.Minute
	// answerMax bounds an answer, in bytes: a page of 100 base job templates is some 2 MB.
	answerMax = 64 << 20
	pageSize  = 100
	// pagesMax bounds a list that never ends.
	pagesMax = 1000
)

// CheckURL refuses what is no URL of an API.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%q is no URL: write it as Prefect has it in PREFECT_API_URL, such as http://127.0.0.1:4200/api", text)
	}
	return nil
}

// statusError is an answer that is no success.
type statusError struct {
	status int
	path   string
	detail string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.path, e.status, http.StatusText(e.status))
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return text + ": set PREFECT_API_KEY, or PREFECT_API_AUTH_STRING for a server with a password"
	case http.StatusNotFound:
		return text + ": is this the URL of Prefect's API? It ends with /api"
	}
	if e.detail != "" {
		text += ": " + e.detail
	}
	return text
}

// call sends a request and reads its answer.
func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode a request: %w", err)
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.URL, "/")+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	switch {
	case c.Key != "":
		request.Header.Set("Authorization", "Bearer "+c.Key)
	case c.Basic != "":
		user, password, _ := strings.Cut(c.Basic, ":")
		request.SetBasicAuth(user, password)
	}
	// A redirect would carry the key to wherever it leads.
	client := http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("reach the Prefect server: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerMax+1))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	if answer.StatusCode/100 != 2 {
		return &statusError{answer.StatusCode, path, detailOf(text)}
	}
	if len(text) > answerMax {
		return fmt.Errorf("the answer of %s is larger than %d MiB", path, answerMax>>20)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the answer of %s is not what Prefect answers: %w", path, err)
	}
	return nil
}

// detailOf is what an answer of Prefect says of an error.
func detailOf(text []byte) string {
	var answer struct{ Detail any }
	if json.Unmarshal(text, &answer) != nil || answer.Detail == nil {
		return ""
	}
	return fmt.Sprint(answer.Detail)
}

// list reads all pages of a list.
func list[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	var all []T
	for n := range pagesMax {
		var page []T
		if err := c.call(ctx, http.MethodPost, path, map[string]int{"limit": pageSize, "offset": n * pageSize}, &page); err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < pageSize {
			return all, nil
		}
	}
	return nil, fmt.Errorf("%s has more than %d entries", path, pagesMax*pageSize)
}

// workPool, workQueue, deployment and the others are what Prefect's API says, as far as it is read.
type workPool struct {
	Name             string          `json:"name"`
	Description      *string         `json:"description"`
	Type             string          `json:"type"`
	BaseJobTemplate  json.RawMessage `json:"base_job_template"`
	Paused           bool            `json:"is_paused"`
	ConcurrencyLimit *int            `json:"concurrency_limit"`

	queues []workQueue
}

type workQueue struct {
	Name             string  `json:"name"`
	Description      *string `json:"description"`
	Paused           bool    `json:"is_paused"`
	ConcurrencyLimit *int    `json:"concurrency_limit"`
	Priority         *int    `json:"priority"`
}

type flow struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type deployment struct {
	Name         string  `json:"name"`
	FlowID       string  `json:"flow_id"`
	WorkPoolName *string `json:"work_pool_name"`
	// fields are all that the API says of it.
	fields map[string]json.RawMessage
}

func (d *deployment) UnmarshalJSON(text []byte) error {
	type plain deployment
	if err := json.Unmarshal(text, (*plain)(d)); err != nil {
		return err
	}
	return json.Unmarshal(text, &d.fields)
}

type variable struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

type block struct {
	Name string `json:"name"`
	Type struct {
		Slug string `json:"slug"`
		Name string `json:"name"`
	} `json:"block_type"`
}

type named struct {
	Name string `json:"name"`
}

// Found is what a Prefect server has.
type Found struct {
	pools       []workPool
	flows       map[string]string // names by ID
	deployments []deployment
	variables   []variable
	blocks      []block
	automations []named
	limits      []named
	unread      []string // what could not be read, in words
}

// Read reads all that can be taken over, and the names of what cannot. Lists that are only named, such as automations, may
// be missing on an older server or behind a key of few rights: the report says so.
func (c *Client) Read(ctx context.Context) (*Found, error) {
	f := &Found{flows: map[string]string{}}
	var err error
	if f.pools, err = list[workPool](ctx, c, "/work_pools/filter"); err != nil {
		return nil, err
	}
	for i := range f.pools {
		pool := &f.pools[i]
		if pool.queues, err = list[workQueue](ctx, c, "/work_pools/"+url.PathEscape(pool.Name)+"/queues/filter"); err != nil {
			return nil, err
		}
	}
	flows, err := list[flow](ctx, c, "/flows/filter")
	if err != nil {
		return nil, err
	}
	for _, one := range flows {
		f.flows[one.ID] = one.Name
	}
	if f.deployments, err = list[deployment](ctx, c, "/deployments/filter"); err != nil {
		return nil, err
	}
	if f.variables, err = list[variable](ctx, c, "/variables/filter"); err != nil {
		return nil, err
	}
	for _, more := range []struct {
		what string
		read func() error
	}{
		{"blocks", func() (err error) { f.blocks, err = list[block](ctx, c, "/block_documents/filter"); return err }},
		{"automations", func() (err error) { f.automations, err = list[named](ctx, c, "/automations/filter"); return err }},
		{"concurrency limits", func() (err error) { f.limits, err = list[named](ctx, c, "/v2/concurrency_limits/filter"); return err }},
	} {
		var status *statusError
		if err := more.read(); errors.As(err, &status) {
			f.unread = append(f.unread, fmt.Sprintf("%s: %s", more.what, status))
		} else if err != nil {
			return nil, err
		}
	}
	return f, nil
}
