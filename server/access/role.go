package access

import "github.com/berth-dev/berth/server/api"

// userRoles are the roles of users, in order. Each includes the permissions of those before it.
var userRoles = [...]api.Role{api.RoleViewer, api.RoleOperator, api.RoleEditor, api.RoleAdmin}

// workerOnly marks operations of the worker protocol, which admins may call too.
const workerOnly = api.RoleWorker

// RoleJob is the role of a job key. Job keys are created by claims, never by users.
const RoleJob api.Role = "job"

// anyKey marks operations that every valid key may call, including those of workers. Public ones need no key.
const (
	anyKey api.Role = "anyone"
	public api.Role = "public"
)

// requiredRole returns the lowest role that may call an operation. An operation that is not listed is refused
// for every role.
func requiredRole(operation string) (api.Role, bool) {
	switch operation {
	case "GetHealth", "GetReady":
		return public, true
	case "GetInfo":
		return anyKey, true
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
		return workerOnly, true
	}
	return "", false
}

// Public reports whether an operation requires no key.
func Public(operation string) bool {
	role, ok := requiredRole(operation)
	return ok && role == public
}

// MayDo reports whether a role may call an operation, named like its method of the strict server interface.
func MayDo(role api.Role, operation string) bool {
	required, ok := requiredRole(operation)
	switch {
	case !ok:
		return false
	case role == RoleJob:
		return jobMay(operation)
	case required == public, required == anyKey:
		return true
	case required == workerOnly:
		return role == api.RoleWorker || role == api.RoleAdmin
	}
	return rank(role) >= rank(required)
}

// jobMay lists the operations of job keys. CheckRun limits them to the run of the key.
func jobMay(operation string) bool {
	switch operation {
	case "GetRun", "GetRunResult", "SetRunResult", "SetRunProgress":
		return true
	}
	return false
}

// rank returns the position of a user role; -1 for other roles.
func rank(role api.Role) int {
	for i, candidate := range userRoles {
		if candidate == role {
			return i
		}
	}
	return -1
}
