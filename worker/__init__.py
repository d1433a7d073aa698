"""Workers: claim a job, have a model read a study, write it down, deliver it."""
