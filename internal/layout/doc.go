// Package layout holds no code: its tests keep the rules of what may import
// what, and a few rules of the source that no linter knows. CONTRIBUTING.md
// explains them.
package layout
