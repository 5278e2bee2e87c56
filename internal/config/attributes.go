package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/seriatim-go/seriatim/protocol"
)

// SearchAttributes is how the namespace calls them.
type SearchAttributes struct {
	Names AttributeNames `mapstructure:"names"`
}

// AttributeNames are the names of the search attributes; default those that they
// have in protocol.
type AttributeNames struct {
	DependencyToken string `mapstructure:"DependencyToken"`
	OperationType   string `mapstructure:"OperationType"`
	OperationStatus string `mapstructure:"OperationStatus"`
	OperationOwner  string `mapstructure:"OperationOwner"`
	CorrelationID   string `mapstructure:"CorrelationId"`
	RegardingObject string `mapstructure:"RegardingObject"`
	PostponeUntil   string `mapstructure:"PostponeUntil"`
	QueueDepth      string `mapstructure:"QueueDepth"`
}

// attributeNamesKey is where the names are in the file.
const attributeNamesKey = "searchAttributes.names."

// byAttribute are the settings by the attributes' default names.
func (n *AttributeNames) byAttribute() map[string]*string {
	return map[string]*string{
		protocol.DependencyTokenAttribute: &n.DependencyToken,
		protocol.OperationTypeAttribute:   &n.OperationType,
		protocol.OperationStatusAttribute: &n.OperationStatus,
		protocol.OperationOwnerAttribute:  &n.OperationOwner,
		protocol.CorrelationIDAttribute:   &n.CorrelationID,
		protocol.RegardingObjectAttribute: &n.RegardingObject,
		protocol.PostponeUntilAttribute:   &n.PostponeUntil,
		protocol.QueueDepthAttribute:      &n.QueueDepth,
	}
}

func defaultAttributeNames() (n AttributeNames) {
	for attribute, name := range n.byAttribute() {
		*name = attribute
	}
	return n
}

// AttributeNames are those that are not the default ones.
func (c Config) AttributeNames() protocol.AttributeNames {
	names := make(protocol.AttributeNames)
	for attribute, name := range c.SearchAttributes.Names.byAttribute() {
		if *name != attribute {
			names[attribute] = *name
		}
	}
	return names
}

// AttributeNamesFrom are those that the environment gives a program without a
// configuration file; they are not checked.
func AttributeNamesFrom(env Env) protocol.AttributeNames {
	names := make(protocol.AttributeNames)
	for attribute := range protocol.SearchAttributes() {
		if name, ok := env(EnvName(attributeNamesKey + attribute)); ok && name != "" {
			names[attribute] = name
		}
	}
	return names
}

func (c Config) validateAttributeNames() error {
	var problems []error
	names := c.AttributeNames()
	for _, attribute := range slices.Sorted(maps.Keys(names)) {
		if err := names.Check(attribute); err != nil {
			problems = append(problems, fmt.Errorf("%s%s: %w", attributeNamesKey, attribute, err))
		}
	}
	return errors.Join(problems...)
}
