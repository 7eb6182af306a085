namespace Karya.Node;

/// <summary>
/// A node's time-limited right to fire what it owns. Thread-safe.
/// </summary>
internal interface IFiringRight
{
    /// <summary>Whether what is owned may be fired at this moment.</summary>
    bool IsTrusted { get; }

    /// <summary>Why nothing is fired at present; null while it may be.</summary>
    string? Trouble { get; }

    /// <summary>The last look before an attempt begins.</summary>
    /// <param name="partition">Of the attempt.</param>
    /// <param name="epoch">Under which it was handed out.</param>
    GateAnswer Ask(int partition, long epoch);

    /// <summary>The same, and waits while the right has run out. Does not allocate while it has not.</summary>
    /// <param name="partition">Of the attempt.</param>
    /// <param name="epoch">Under which it was handed out.</param>
    /// <param name="stopping">Calls the wait off.</param>
    /// <returns>False: it is not this node's to begin any more, or the wait was called off.</returns>
    ValueTask<bool> WaitToBeginAsync(int partition, long epoch, CancellationToken stopping);
}
