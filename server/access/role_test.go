package access

import (
	"testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apispec"
)

// may lists who may call each operation. It is written by hand on purpose, so that opening an operation to
// more roles takes a second change here.
var may = map[string]string{
	"GetHealth": "everybody", "GetReady": "everybody", "GetInfo": "any key",

	"ListWorkPools": "viewer", "GetWorkPool": "viewer", "GetTemplate": "viewer", "ListTemplateVersions": "viewer",
	"ListWorkQueues": "viewer", "LintTemplate": "viewer", "ListDeployments": "viewer", "GetDeployment": "viewer",
	"ListVariables": "viewer", "GetVariable": "viewer", "ListWorkers": "viewer", "ListRuns": "viewer", "GetRun": "viewer",
	"ListRunEvents": "viewer", "GetRunLogs": "viewer", "StreamRun": "viewer", "GetAttemptManifest": "viewer",
	"PreviewTemplate": "viewer", "DiffTemplate": "viewer", "ImpactTemplate": "viewer",
	"GetRunResult": "viewer", "SetRunResult": "operator", "SetRunProgress": "operator",
	"GetWorkQueue": "viewer", "ExplainRun": "viewer", "CountRuns": "viewer", "StreamRuns": "viewer",
	"CreateRuns": "operator", "CancelRuns": "operator", "RetryRuns": "operator", "UpdateWorker": "operator",
	"UpdateWorkQueue": "editor", "DeleteWorkQueue": "editor",

	"GetRunSchema": "viewer", "ListDeploymentSchedules": "viewer", "ListSchedules": "viewer", "PreviewSchedule": "viewer",
	"UpdateSchedule": "operator",
	"CreateRun":      "operator", "CancelRun": "operator", "RetryRun": "operator", "AbandonRun": "operator",

	"CreateWorkPool": "editor", "UpdateWorkPool": "editor", "DeleteWorkPool": "editor", "SetTemplate": "editor",
	"CreateWorkQueue": "editor", "Apply": "editor", "UpdateDeployment": "editor", "DeleteDeployment": "editor",
	"SetVariable": "editor", "DeleteVariable": "editor", "RollBackTemplate": "editor",

	"ListAPIKeys": "admin", "CreateAPIKey": "admin", "RevokeAPIKey": "admin", "ListAudit": "admin",

	"WorkerHello": "worker", "ClaimRuns": "worker", "RenewLeases": "worker", "ReportAttempts": "worker", "AppendLogs": "worker",
	"LookUpAttempts": "worker", "GetTemplateForWorker": "worker",
}

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
	allowed := map[string]map[api.Role]bool{
		"everybody": {
			api.RoleViewer: true, api.RoleOperator: true, api.RoleEditor: true, api.RoleAdmin: true,
			api.RoleWorker: true, "": true,
		},
		"any key": {
			api.RoleViewer: true, api.RoleOperator: true, api.RoleEditor: true, api.RoleAdmin: true,
			api.RoleWorker: true, "": true,
		},
		"viewer":   {api.RoleViewer: true, api.RoleOperator: true, api.RoleEditor: true, api.RoleAdmin: true},
		"operator": {api.RoleOperator: true, api.RoleEditor: true, api.RoleAdmin: true},
		"editor":   {api.RoleEditor: true, api.RoleAdmin: true},
		"admin":    {api.RoleAdmin: true},
		"worker":   {api.RoleWorker: true, api.RoleAdmin: true},
	}
	for operation, who := range may {
		for _, role := range []api.Role{api.RoleViewer, api.RoleOperator, api.RoleEditor, api.RoleAdmin,
			api.RoleWorker, ""} {
			if got, want := MayDo(role, operation), allowed[who][role]; got != want {
				t.Errorf("MayDo(%q, %s) = %t, want %t", role, operation, got, want)
			}
		}
	}
	if MayDo(api.RoleAdmin, "deleteEverything") {
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
