namespace Karya.Client;

/// <summary>How many plans are submitted.</summary>
public sealed record SubmitManyOptions
{
    /// <summary>
    /// Plans per request: 1 to 10,000, the default is 1,000. A request is also kept below the frame limit.
    /// </summary>
    public int BatchSize { get; init; } = 1000;

    /// <summary>Requests that are unanswered at once: at least 1, the default is 4.</summary>
    public int MaxBatchesInFlight { get; init; } = 4;
}
