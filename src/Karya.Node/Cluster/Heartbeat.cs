namespace Karya.Node.Cluster;

/// <summary>What a node last wrote about itself into Redis, as it was read there: it may be old.</summary>
/// <param name="Name">Of the node.</param>
/// <param name="Incarnation">Of its process, never used before. Has no order.</param>
/// <param name="Counter">
/// Of the beats of this incarnation. Kept in the process that writes it and never read back, so that it does not start
/// again when Redis does: a lower one is old.
/// </param>
/// <param name="Weight">As in <see cref="Member" />.</param>
/// <param name="CanOwn">False while the node has a reason to take no partitions.</param>
/// <param name="IsDraining">The node gives up its partitions in order to stop.</param>
internal readonly record struct Heartbeat(
    string Name, string Incarnation, long Counter, int Weight, bool CanOwn, bool IsDraining);
