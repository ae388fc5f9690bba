package access

import (
	"slices"
	"testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apispec"
)

// may lists who may call each operation. It is written by hand on purpose, so that opening an operation to
// more roles takes a second change here.
var may = map[string]string{
	"GetOpenIDConfiguration": "everybody", "GetJSONWebKeys": "everybody",
	"CreateRunToken": "job", "IntrospectRunToken": "viewer",
	"ListSigningKeys": "admin", "RotateSigningKeys": "admin",

	"GetHealth": "everybody", "GetReady": "everybody", "GetInfo": "any key", "GetWhoAmI": "any key",
	"GetSignIn": "everybody", "StartDeviceSignIn": "everybody", "FinishDeviceSignIn": "everybody",
	"ListSessions": "any key", "RevokeSession": "any key", "RevokeSessions": "any key",

	"ListWorkPools": "viewer", "GetWorkPool": "viewer", "GetTemplate": "viewer", "ListTemplateVersions": "viewer",
	"ListWorkQueues": "viewer", "LintTemplate": "viewer", "ListDeployments": "viewer", "GetDeployment": "viewer",
	"ListVariables": "viewer", "GetVariable": "viewer", "ListWorkers": "viewer", "ListRuns": "viewer", "GetRun": "viewer",
	"ListRunEvents": "viewer", "GetLanguage": "viewer", "GetTemplateSchema": "viewer", "GetRunLogs": "viewer", "GetRunLogLines": "viewer", "SearchRunLogs": "viewer", "StreamRun": "viewer", "GetAttemptManifest": "viewer",
	"PreviewTemplate": "viewer", "DryRunTemplate": "operator", "CheckTemplate": "viewer", "DiffTemplate": "viewer", "ImpactTemplate": "viewer",
	"GetRunResult": "viewer", "SetRunResult": "operator", "SetRunProgress": "operator",
	"GetWorkQueue": "viewer", "ExplainRun": "viewer", "CompareRuns": "viewer", "CountRuns": "viewer", "GetRunHistogram": "viewer", "GetDeploymentStatistics": "viewer", "StreamRuns": "viewer", "StreamChanges": "viewer",
	"CreateRuns": "operator", "CancelRuns": "operator", "RetryRuns": "operator", "UpdateWorker": "editor",
	"UpdateWorkQueue": "editor", "DeleteWorkQueue": "editor",

	"GetRunSchema": "viewer", "ListDeploymentSchedules": "viewer", "ListSchedules": "viewer", "ListScheduleSlots": "viewer", "PreviewSchedule": "viewer",
	"UpdateSchedule": "deployer",
	"CreateRun":      "operator", "CancelRun": "operator", "RetryRun": "operator", "AbandonRun": "operator",

	"CreateWorkPool": "editor", "UpdateWorkPool": "editor", "DeleteWorkPool": "editor", "SetTemplate": "editor",
	"CreateWorkQueue": "editor", "Apply": "deployer", "UpdateDeployment": "deployer", "DeleteDeployment": "deployer",
	"SetVariable": "editor", "DeleteVariable": "editor", "RollBackTemplate": "editor",

	"ListDeleted": "deployer", "RestoreDeleted": "deployer", "PurgeDeleted": "deployer",

	"RevokeAPIKeys": "admin", "ListTrustRules": "admin", "GetTrustRule": "admin", "SetTrustRule": "admin",
	"DeleteTrustRule": "admin", "TestTokenExchange": "admin", "ExchangeToken": "everybody", "SignOut": "any key",
	"ListAPIKeys": "admin", "CreateAPIKey": "admin", "RevokeAPIKey": "admin", "ListAudit": "admin",

	"GetPoolForWorker": "worker", "WorkerHello": "worker", "ClaimRuns": "worker", "RenewLeases": "worker", "ReportAttempts": "worker", "AppendLogs": "worker", "AnswerDryRun": "worker",
	"ListWebhooks": "viewer", "GetWebhook": "viewer", "ListWebhookDeliveries": "viewer", "SetWebhook": "editor",
	"UpdateWebhook": "editor", "DeleteWebhook": "editor", "TestWebhook": "editor", "ResendWebhookDeliveries": "editor",

	"ListApprovals": "viewer", "GetApproval": "viewer",
	"ApproveChange": "deployer", "RejectChange": "deployer", "WithdrawChange": "deployer",
	"ListPoolRules": "viewer", "ListRules": "viewer", "TestPoolRule": "viewer",
	"SetPoolRule": "editor", "DeletePoolRule": "editor",
	"SetRule": "admin", "DeleteRule": "admin", "TestRule": "admin", "GetRuleSetForWorker": "worker",

	"LookUpAttempts": "worker", "GetTemplateForWorker": "worker",
}

// jobs are the operations of job keys.
var jobs = []string{"GetWhoAmI", "GetRun", "GetRunResult", "SetRunResult", "SetRunProgress", "CreateRunToken"}

func TestEveryOperationHasARole(t *testing.T) {
	spec, err := apispec.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for path, item := range spec.Paths.Map() {
		for method, operation := range item.Operations() {
			found++
			if may[operation.OperationID] == "" {
				t.Errorf("%s %s (%s) has no role", method, path, operation.OperationID)
			}
		}
	}
	if found != len(may) {
		t.Errorf("the specification has %d operations, may has %d", found, len(may))
	}
}

func TestRolesMayCallTheirOperationsOnly(t *testing.T) {
	people := []api.Role{api.RoleViewer, api.RoleOperator, api.RoleDeployer, api.RoleEditor, api.RoleAdmin}
	for operation, lowest := range may {
		for _, role := range append(people, api.RoleWorker, RoleJob, "", "owner") {
			p := Principal{Bindings: []Binding{{role, AllPools}}}
			want := false
			switch at := slices.Index(people, role); lowest {
			case "everybody", "any key":
				want = true
			case "job": // no person and no worker
			case "worker":
				want = role == api.RoleWorker || role == api.RoleAdmin
			default:
				want = at >= 0 && at >= slices.Index(people, api.Role(lowest))
			}
			if role == RoleJob && lowest != "everybody" {
				want = slices.Contains(jobs, operation)
			}
			if got := p.MayDo(operation, "p"); got != want {
				t.Errorf("role %q may do %s: %t, want %t", role, operation, got, want)
			}
		}
	}
	if Anonymous().MayDo("deleteEverything", "p") {
		t.Error("unknown operation is allowed for an admin")
	}
}

func TestOnlyHealthIsPublic(t *testing.T) {
	for operation, who := range may {
		if got, want := Public(operation), who == "everybody"; got != want {
			t.Errorf("Public(%s) = %t, want %t", operation, got, want)
		}
	}
}
