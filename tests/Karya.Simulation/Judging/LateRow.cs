namespace Karya.Simulation.Judging;

/// <summary>A row that was committed under an epoch after one under a later epoch was.</summary>
internal readonly record struct LateRow(int Partition, long Epoch, long Later);
