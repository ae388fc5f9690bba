package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// accessWithReviewers lets ada and bob, but not guest, decide about changes.
const accessWithReviewers = `grants:
- group: platform
  role: editor
- group: data-eng
  role: editor
`

// asked starts a company whose pool requires approvals, and lets ada ask for one.
func asked(t *testing.T, change ...func(*server.Options)) (c *company, need api.ApprovalNeed, ada string) {
	t.Helper()
	c = startCompany(t, append(change, func(o *server.Options) { o.AccessFile = accessFile(t, accessWithReviewers) })...)
	c.call(http.MethodPatch, localPool, `{"approvals":{"require":["deploys"]}}`).is(http.StatusOK)
	ada = c.device("u-ada").Token
	refusal := c.send(c.request(ada, http.MethodPost, "/api/v1/apply", aDeployment("1"))).
		refused(http.StatusConflict, "approval-required")
	return c, (*refusal.Approvals)[0], ada
}

func (c *company) approves(token string, need api.ApprovalNeed) answer {
	c.t.Helper()
	return c.send(c.request(token, http.MethodPost, "/api/v1/approvals/"+need.ID.String()+"/approve",
		`{"fingerprint":"`+need.Fingerprint+`"}`))
}

func TestASecondSessionOrAKeyOfTheAskerApprovesNothing(t *testing.T) {
	t.Parallel()
	c, need, _ := asked(t)
	c.approves(c.device("u-ada").Token, need).refused(http.StatusForbidden, "forbidden")
	// A key in the name of the asker cannot even be made.
	c.call(http.MethodPost, "/api/v1/api-keys",
		`{"name":"ADA@example.com","bindings":[{"role":"editor","pool":"*"}]}`).
		refused(http.StatusBadRequest, "invalid-body", "/name")
	c.approves(c.device("u-bob").Token, need).is(http.StatusOK)
	shown := read[api.Approval](c.call(http.MethodGet, "/api/v1/approvals/"+need.ID.String(), "").is(http.StatusOK))
	if shown.State != api.ApprovalApproved || *shown.DecidedBy != "bob@example.com" {
		t.Errorf("it is %s by %v", shown.State, shown.DecidedBy)
	}
}

// TestAnApprovalFallsWithTheApproversRole changes who bob is between his approval and its use.
func TestAnApprovalFallsWithTheApproversRole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		between func(c *company, bob string)
		holds   bool
	}{
		"he signs out": {func(c *company, bob string) {
			c.send(c.request(bob, http.MethodDelete, "/api/v1/sessions/current", "")).is(http.StatusNoContent)
		}, true},
		"an admin ends his sessions": {func(c *company, _ string) {
			c.call(http.MethodPost, "/api/v1/sessions/revoke", `{"user":"bob@example.com"}`).is(http.StatusOK)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, need, ada := asked(t)
			bob := c.device("u-bob").Token
			c.approves(bob, need).is(http.StatusOK)
			test.between(c, bob)
			a := c.send(c.request(ada, http.MethodPost, "/api/v1/apply", aDeployment("1")))
			if test.holds {
				a.is(http.StatusOK)
				return
			}
			a.refused(http.StatusConflict, "approval-required")
			shown := read[api.Approval](c.call(http.MethodGet, "/api/v1/approvals/"+need.ID.String(), "").is(http.StatusOK))
			if shown.State != api.ApprovalLapsed || !strings.Contains(*shown.Reason, "bob@example.com, who approved it") {
				t.Errorf("it is %s: %v", shown.State, shown.Reason)
			}
		})
	}
}
