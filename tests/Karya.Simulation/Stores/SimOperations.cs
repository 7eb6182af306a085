using Karya.Node.Storage;

namespace Karya.Simulation.Stores;

/// <summary>The operations of a simulated database.</summary>
internal sealed class SimOperations
{
    private readonly Dictionary<Guid, StoredOperation> _operations = [];

    public StoredOperation? Put(StoredOperation operation)
    {
        bool isThere = _operations.TryGetValue(operation.Id, out var stored);
        if (isThere && stored!.Version != operation.Version)
            return null;
        return _operations[operation.Id] = operation with
        {
            Version = operation.Version + 1,
            IsStopAsked = operation.IsStopAsked || stored?.IsStopAsked == true,
        };
    }

    public StoredOperation? Stop(Guid id) =>
        _operations.TryGetValue(id, out var stored) ? _operations[id] = stored with { IsStopAsked = true } : null;

    public StoredOperation? Find(Guid id) => _operations.GetValueOrDefault(id);

    public IReadOnlyList<StoredOperation> List(int take) =>
    [
        .. _operations.Values
            .OrderByDescending(operation => operation.IsRunning)
            .ThenByDescending(operation => operation.UpdatedMs)
            .ThenByDescending(operation => operation.Id.ToString())
            .Take(take),
    ];

    /// <summary>Removes those that ended before the cutoff. Returns how many.</summary>
    public int Prune(long cutoffMs)
    {
        var old = _operations.Values.Where(one => !one.IsRunning && one.UpdatedMs < cutoffMs).ToList();
        foreach (var operation in old)
            _operations.Remove(operation.Id);
        return old.Count;
    }
}
