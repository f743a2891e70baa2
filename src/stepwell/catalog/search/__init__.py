"""Search: expressions over properties of experiments, trials and components, run as SQL."""
