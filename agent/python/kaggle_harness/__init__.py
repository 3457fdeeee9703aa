"""The trusted side of the agent: cuts folds, grades, decodes, blends, validates. Never loads a pickle, never runs generated code."""
