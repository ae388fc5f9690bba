// Package arch holds the walls between the project's folders: who may import whom. Its test asks the go
// command, so that a new import that breaks a rule fails the build with the rule it broke.
package arch
