namespace Karya.Node.Workers;

/// <summary>The places that one worker has for one task name. Guarded by the desk's lock.</summary>
/// <param name="node">The name of a node, on behalf of whose workers it is; null for a worker.</param>
internal sealed class Seat(IWorkerSession session, Pool pool, string? node)
{
    public IWorkerSession Session { get; } = session;

    public Pool Pool { get; } = pool;

    public string? Node => node;

    public bool IsNode => node is not null;

    public int Credits { get; set; }

    public int Running { get; set; }

    /// <summary>False once the worker has gone; what it has it may still end, from another connection.</summary>
    public bool IsOpen { get; set; } = true;

    /// <summary>Takes nothing and has nothing. Until then it is kept: what it has counts against new credits.</summary>
    public bool IsIdle => Credits == 0 && Running == 0;

    public bool HasPlace => IsOpen && Running < Credits;
}
