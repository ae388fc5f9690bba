package approval

// governedOperations are the operations that ask the gate, by what of them it governs. A test holds the list
// of all other operations that change something, each with the reason why it needs no approval.
var governedOperations = map[string]Subject{
	"Apply":            Deploys, // and the other subjects, by item
	"DeleteDeployment": Deploys,
	"UpdateSchedule":   Deploys, // resuming only
	"SetTemplate":      Templates,
	"RollBackTemplate": Templates,
	"SetPoolRule":      Rules,
	"DeletePoolRule":   Rules,
	"UpdateWorkPool":   Policy, // and templates, for references and run token audiences
	"DeleteWorkPool":   Policy,
	"RestoreDeleted":   Deploys, // and rules, by item; a pool comes back with its policy
}

// Governs reports whether an operation asks the gate.
func Governs(operation string) bool {
	_, governed := governedOperations[operation]
	return governed
}
