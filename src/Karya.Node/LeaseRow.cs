namespace Karya.Node;

/// <summary>The lease of record of one partition, as the store has it.</summary>
/// <param name="Partition">Which one.</param>
/// <param name="Epoch">Of the last claim.</param>
/// <param name="RenewSeq">Changes with every claim and renewal: the sign of life that others watch.</param>
/// <param name="Owner">Who claimed it; empty for nobody ever.</param>
/// <param name="LeaseMs">How long it lasts without a renewal.</param>
/// <param name="IsReleased">Its owner has let it go, in order.</param>
internal readonly record struct LeaseRow(
    int Partition, long Epoch, long RenewSeq, string Owner, long LeaseMs, bool IsReleased);

/// <summary>A lease as a node saw it, which wants it: claimed only if it still looks so.</summary>
internal readonly record struct SeenLease(int Partition, long Epoch, long RenewSeq);

/// <summary>What a claim has brought.</summary>
internal readonly record struct ClaimedPartition(int Partition, long Epoch);
