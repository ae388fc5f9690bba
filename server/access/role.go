package access

import "github.com/berth-dev/berth/server/api"

// people are the roles of people, each of which may do all that those before it may.
var people = [...]api.Role{api.RoleViewer, api.RoleOperator, api.RoleEditor, api.RoleAdmin}

// protocol marks operations for workers; an admin may do them too.
const protocol = api.RoleWorker

// RoleJob is the role of an attempt's own key. It is made with a claim, not by people.
const RoleJob api.Role = "job"

// anyone marks operations that any valid key may do, a worker's too; public ones need none.
const (
	anyone api.Role = "anyone"
	public api.Role = "public"
)

// leastRole is what an operation needs at least. An operation that is not here is refused to everybody.
func leastRole(operation string) (api.Role, bool) {
	switch operation {
	case "GetHealth", "GetReady":
		return public, true
	case "GetInfo":
		return anyone, true
	case "ListWorkPools",
		"GetWorkPool",
		"GetTemplate",
		"ListTemplateVersions",
		"ListWorkQueues",
		"LintTemplate",
		"GetWorkQueue",
		"ExplainRun",
		"CountRuns",
		"StreamRuns",
		"PreviewTemplate",
		"DiffTemplate",
		"ImpactTemplate",
		"ListDeployments",
		"GetDeployment",
		"ListVariables",
		"GetVariable",
		"ListWorkers",
		"GetRunSchema",
		"ListDeploymentSchedules",
		"ListSchedules",
		"PreviewSchedule",
		"ListRuns",
		"GetRun",
		"GetRunResult",
		"ListRunEvents",
		"GetRunLogs",
		"StreamRun",
		"GetAttemptManifest":
		return api.RoleViewer, true
	case "CreateRun",
		"CreateRuns",
		"UpdateSchedule",
		"CancelRun",
		"CancelRuns",
		"RetryRun",
		"RetryRuns",
		"AbandonRun",
		"UpdateWorker",
		"SetRunResult",
		"SetRunProgress":
		return api.RoleOperator, true
	case "CreateWorkPool",
		"UpdateWorkPool",
		"DeleteWorkPool",
		"SetTemplate",
		"RollBackTemplate",
		"CreateWorkQueue",
		"UpdateWorkQueue",
		"DeleteWorkQueue",
		"Apply",
		"UpdateDeployment",
		"DeleteDeployment",
		"SetVariable",
		"DeleteVariable":
		return api.RoleEditor, true
	case "ListAPIKeys", "CreateAPIKey", "RevokeAPIKey", "ListAudit":
		return api.RoleAdmin, true
	case "WorkerHello",
		"ClaimRuns",
		"RenewLeases",
		"ReportAttempts",
		"AppendLogs",
		"LookUpAttempts",
		"GetTemplateForWorker":
		return protocol, true
	}
	return "", false
}

// Public reports whether an operation needs no key.
func Public(operation string) bool {
	role, ok := leastRole(operation)
	return ok && role == public
}

// MayDo reports whether the role is enough for the operation, a method of api.StrictServerInterface.
func MayDo(role api.Role, operation string) bool {
	need, ok := leastRole(operation)
	switch {
	case !ok:
		return false
	case role == RoleJob:
		return jobMay(operation)
	case need == public, need == anyone:
		return true
	case need == protocol:
		return role == api.RoleWorker || role == api.RoleAdmin
	}
	return rank(role) >= rank(need)
}

// jobMay lists what a job's own key is for, on its own run.
func jobMay(operation string) bool {
	switch operation {
	case "GetRun", "GetRunResult", "SetRunResult", "SetRunProgress":
		return true
	}
	return false
}

// rank is -1 for roles that are not of people.
func rank(role api.Role) int {
	for i, candidate := range people {
		if candidate == role {
			return i
		}
	}
	return -1
}
