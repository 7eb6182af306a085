namespace Karya.Client.Workers;

/// <summary>What runs for a task name.</summary>
/// <param name="Credits">Runs at once.</param>
internal sealed record TaskHandler(
    string Name, int Credits,
    Func<ReadOnlyMemory<byte>, TaskContext, CancellationToken, ValueTask<byte[]?>> RunAsync);
