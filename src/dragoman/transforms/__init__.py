"""From request to request and from event to event, pure: what a target needs and its codec should not have to know."""
