"""The side bar: data, descriptors, model, map."""
