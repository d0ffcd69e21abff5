"""Pre-training, fine-tuning and evaluation; the three commands are files here.

Nothing is imported with this room: the trainer takes seconds. Inside, imports run one way: `data` < `trainer` <
`evaluation` < `run` < the commands, `preparation` and `quickstart`. May import every room but `commands`.
"""
