package access

import "github.com/berth-dev/berth/server/api"

// Short forms that keep the table readable.
const (
	viewer   = api.RoleViewer
	operator = api.RoleOperator
	deployer = api.RoleDeployer
	editor   = api.RoleEditor
	admin    = api.RoleAdmin
	worker   = api.RoleWorker
)

func in(places ...Place) []Place { return places }

// operations is the one place that says who may do what. docs/roles.md is held to it by a test, and a test
// calls every operation with every role. An operation without a row is refused for every caller.
var operations = []Operation{
	{"GetHealth", Everyone, false, nil, "ask whether the server is alive"},
	{"GetReady", Everyone, false, nil, "ask whether the server is ready"},
	{"GetInfo", AnyKey, false, in(NoPool), "read the version and the ID of the installation"},

	{"GetLanguage", viewer, false, in(NoPool), "read the vocabulary of templates"},
	{"GetTemplateSchema", viewer, false, in(NoPool), "read the schema of templates"},
	{"GetWhoAmI", AnyKey, true, in(NoPool), "ask who it is and what it may do"},

	{"GetSignIn", Everyone, false, nil, "ask how to sign in"},
	{"StartDeviceSignIn", Everyone, false, nil, "begin to sign in with the command line"},
	{"FinishDeviceSignIn", Everyone, false, nil, "sign in with the command line"},
	{"SignOut", AnyKey, false, in(NoPool), "sign out"},
	// Own sessions; the handler asks for the role admin in all pools where it is about other people's.
	{"ListSessions", AnyKey, false, in(NoPool), "list own sessions"},
	{"RevokeSession", AnyKey, false, in(NoPool), "revoke an own session"},
	{"RevokeSessions", AnyKey, false, in(NoPool), "revoke all own sessions"},

	{"ListWorkPools", viewer, false, in(Listed), "list work pools"},
	{"GetWorkPool", viewer, false, in(PathPool), "read a work pool"},
	{"CreateWorkPool", editor, false, in(EveryPool), "create a work pool"},
	{"UpdateWorkPool", editor, false, in(PathPool), "change a work pool"},
	{"DeleteWorkPool", editor, false, in(EveryPool), "delete a work pool"},

	{"GetTemplate", viewer, false, in(PathPool), "read the template of a work pool"},
	{"ListTemplateVersions", viewer, false, in(PathPool), "list the template versions of a work pool"},
	{"LintTemplate", viewer, false, in(PathPool), "lint a template"},
	{"CheckTemplate", viewer, false, in(PathPool, BodyDeployment), "check the text of a template"},
	{"PreviewTemplate", viewer, false, in(PathPool, BodyDeployment), "preview a Job"},
	// The handler asks for the role that it takes to save the template, or to deploy the values, where the request brings
	// them along.
	{"DryRunTemplate", operator, false, in(PathPool, BodyDeployment), "dry-run a Job on the clusters of a work pool"},
	{"DiffTemplate", viewer, false, in(PathPool), "compare template versions"},
	{"ImpactTemplate", viewer, false, in(PathPool), "see the impact of a template"},
	{"SetTemplate", editor, false, in(PathPool), "save a template"},
	{"RollBackTemplate", editor, false, in(PathPool), "roll back a template"},

	// The rules of the installation count in every pool.
	{"ListPoolRules", viewer, false, in(PathPool), "list the rules of a work pool"},
	{"TestPoolRule", viewer, false, in(PathPool, BodyDeployment), "test a rule"},
	{"SetPoolRule", editor, false, in(PathPool), "set a rule of a work pool"},
	{"DeletePoolRule", editor, false, in(PathPool), "delete a rule of a work pool"},
	{"ListRules", viewer, false, in(NoPool), "list the rules of the installation"},
	{"TestRule", admin, false, in(EveryPool), "test a rule on all work pools"},
	{"SetRule", admin, false, in(EveryPool), "set a rule of the installation"},
	{"DeleteRule", admin, false, in(EveryPool), "delete a rule of the installation"},

	// The policy of the pool can ask for a higher role than deployer.
	{"ListApprovals", viewer, false, in(Listed), "list approval requests"},
	{"GetApproval", viewer, false, in(PathApproval), "read an approval request"},
	{"ApproveChange", deployer, false, in(PathApproval), "approve a change"},
	{"RejectChange", deployer, false, in(PathApproval), "reject a change"},
	{"WithdrawChange", deployer, false, in(PathApproval), "withdraw an own approval request"},

	{"ListWorkQueues", viewer, false, in(PathPool), "list the queues of a work pool"},
	{"GetWorkQueue", viewer, false, in(PathPool), "read a queue"},
	{"CreateWorkQueue", editor, false, in(PathPool), "create a queue"},
	{"UpdateWorkQueue", editor, false, in(PathPool), "change a queue"},
	{"DeleteWorkQueue", editor, false, in(PathPool), "delete a queue"},

	{"ListWorkers", viewer, false, in(Listed), "list workers"},
	{"UpdateWorker", editor, false, in(PathPool), "pause or resume a worker"},

	{"Apply", deployer, false, in(Items), "apply deployments"},
	{"ListDeployments", viewer, false, in(Listed), "list deployments"},
	{"GetDeployment", viewer, false, in(PathDeployment), "read a deployment"},
	{"GetRunSchema", viewer, false, in(PathDeployment), "read what a run of a deployment can set"},
	{"GetDeploymentStatistics", viewer, false, in(PathDeployment), "read the statistics of a deployment"},
	{"UpdateDeployment", deployer, false, in(PathDeployment), "pause or resume a deployment"},
	{"DeleteDeployment", deployer, false, in(PathDeployment), "delete a deployment"},
	{"ListDeploymentSchedules", viewer, false, in(PathDeployment), "list the schedules of a deployment"},
	{"ListSchedules", viewer, false, in(Listed), "list schedules"},
	{"ListScheduleSlots", viewer, false, in(Listed), "list past and planned slots of schedules"},
	{"PreviewSchedule", viewer, false, in(NoPool), "preview the times of a schedule"},
	{"UpdateSchedule", deployer, false, in(PathDeployment), "pause or resume a schedule"},

	{"ListRuns", viewer, false, in(Listed), "list runs"},
	{"CountRuns", viewer, false, in(Listed), "count runs"},
	{"GetRunHistogram", viewer, false, in(Listed), "count ended runs by hour or day"},
	{"StreamRuns", viewer, false, in(Listed), "follow the list of runs"},
	// The handler tells a limited caller only what is in its pools.
	{"StreamChanges", viewer, false, in(Listed), "follow what changes"},
	{"GetRun", viewer, true, in(PathRun), "read a run"},
	{"ExplainRun", viewer, false, in(PathRun), "ask why a run is in its state"},
	{"CompareRuns", viewer, false, in(PathRun), "ask what differs between two runs"},
	{"ListRunEvents", viewer, false, in(PathRun), "list the events of a run"},
	{"GetRunLogs", viewer, false, in(PathRun), "read the logs of a run"},
	{"GetRunLogLines", viewer, false, in(PathRun), "read the logs of a run"},
	{"SearchRunLogs", viewer, false, in(PathRun), "search the logs of a run"},
	{"StreamRun", viewer, false, in(PathRun), "follow a run"},
	{"GetAttemptManifest", viewer, false, in(PathRun), "read the manifest of an attempt"},
	{"GetRunResult", viewer, true, in(PathRun), "read the result of a run"},
	{"CreateRun", operator, false, in(PathDeployment), "start a run"},
	{"CreateRuns", operator, false, in(PathDeployment), "start many runs"},
	{"CancelRun", operator, false, in(PathRun), "cancel a run"},
	{"CancelRuns", operator, false, in(Selected), "cancel many runs"},
	{"RetryRun", operator, false, in(RetriedRun), "retry a run"},
	{"RetryRuns", operator, false, in(Selected), "retry many runs"},
	{"AbandonRun", operator, false, in(PathRun), "abandon a run"},
	{"SetRunResult", operator, true, in(PathRun), "set the result of a run"},
	{"SetRunProgress", operator, true, in(PathRun), "set the progress of a run"},

	// Every pool may use stored variables.
	{"ListVariables", viewer, false, in(NoPool), "list stored variables"},
	{"GetVariable", viewer, false, in(NoPool), "read a stored variable"},
	{"SetVariable", editor, false, in(EveryPool), "change stored variables"},
	{"DeleteVariable", editor, false, in(EveryPool), "delete stored variables"},

	// The handler asks for the role that it takes to delete each of the objects.
	{"ListDeleted", deployer, false, in(Listed), "list deleted objects"},
	{"RestoreDeleted", deployer, false, in(Items), "restore deleted objects"},
	{"PurgeDeleted", deployer, false, in(Items), "purge deleted objects"},

	{"GetOpenIDConfiguration", Everyone, false, nil, "find the keys that verify run tokens"},
	{"GetJSONWebKeys", Everyone, false, nil, "read the public keys that verify run tokens"},
	{"CreateRunToken", RoleJob, true, in(PathRun), "get a run token"},
	{"IntrospectRunToken", viewer, false, in(Listed), "check a run token"},
	{"ListSigningKeys", admin, false, in(EveryPool), "list signing keys"},
	{"RotateSigningKeys", admin, false, in(EveryPool), "rotate signing keys"},

	{"ListAPIKeys", admin, false, in(Listed), "list API keys"},
	{"CreateAPIKey", admin, false, in(Granted), "create an API key"},
	{"RevokeAPIKey", admin, false, in(Granted), "revoke an API key"},
	{"RevokeAPIKeys", admin, false, in(EveryPool), "revoke the API keys of an owner"},

	{"ListTrustRules", admin, false, in(EveryPool), "list trust rules"},
	{"GetTrustRule", admin, false, in(EveryPool), "read a trust rule"},
	{"SetTrustRule", admin, false, in(EveryPool), "set a trust rule"},
	{"DeleteTrustRule", admin, false, in(EveryPool), "delete a trust rule"},
	{"ExchangeToken", Everyone, false, nil, "exchange a token of a trusted issuer for an API key"},
	{"TestTokenExchange", admin, false, in(EveryPool), "test which trust rules accept a token"},

	// A webhook that names no pools, or patterns, is about all of them.
	{"ListWebhooks", viewer, false, in(Listed), "list webhooks"},
	{"GetWebhook", viewer, false, in(PathWebhook), "read a webhook"},
	{"ListWebhookDeliveries", viewer, false, in(PathWebhook), "list the deliveries of a webhook"},
	{"SetWebhook", editor, false, in(PathWebhook, BodyWebhook), "set a webhook"},
	{"UpdateWebhook", editor, false, in(PathWebhook), "pause or resume a webhook"},
	{"DeleteWebhook", editor, false, in(PathWebhook), "delete a webhook"},
	{"TestWebhook", editor, false, in(PathWebhook), "test a webhook"},
	{"ResendWebhookDeliveries", editor, false, in(PathWebhook), "send deliveries of a webhook again"},

	{"ListAudit", admin, false, in(Listed), "read the audit"},

	{"GetPoolForWorker", worker, false, in(PathPool), "read the type of a pool"},
	{"WorkerHello", worker, false, in(BodyPool), "announce a worker"},
	{"ClaimRuns", worker, false, in(BodyPool), "claim runs"},
	{"RenewLeases", worker, false, in(BodyPool, BodyAttempts), "renew leases"},
	{"ReportAttempts", worker, false, in(BodyPool, BodyAttempts), "report attempts"},
	{"AppendLogs", worker, false, in(BodyAttempts), "append logs"},
	{"LookUpAttempts", worker, false, in(BodyPool), "look up attempts"},
	{"AnswerDryRun", worker, false, in(BodyPool), "answer dry runs"},
	{"GetTemplateForWorker", worker, false, in(PathVersion), "read a template version"},
	{"GetRuleSetForWorker", worker, false, in(PathRuleSet), "read a rule set"},
}
