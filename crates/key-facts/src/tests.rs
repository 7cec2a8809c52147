mod bounds;
mod merging;
mod simulator;
