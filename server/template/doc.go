// Package template is the server's view of base job templates: it checks them before they are saved, keeps
// compiled versions, and knows the default template of each type of pool.
package template
