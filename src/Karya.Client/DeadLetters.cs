using System.Runtime.CompilerServices;
using Karya.Client.Connections;
using Karya.Client.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>
/// Tasks and hooks that ran out of attempts: looked through, replayed and dropped. Got from
/// <see cref="KaryaClient.DeadLetters"/>; thread-safe.
/// </summary>
/// <remarks>All requests may throw <see cref="KaryaException"/> and its subclasses, as those of the client.</remarks>
public sealed class DeadLetters
{
    private const int CausesMax = 1000;

    private readonly KaryaClient _client;

    internal DeadLetters(KaryaClient client)
    {
        _client = client;
    }

    /// <summary>Those that a filter applies to, newest plan first; asks for page after page.</summary>
    /// <param name="filter">Null for all.</param>
    /// <param name="pageSize">1 to 1,000.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async IAsyncEnumerable<DeadLetterSnapshot> ListAsync(
        DeadLetterFilter? filter = null, int pageSize = 100,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        byte[]? cursor = null;
        do
        {
            var page = await AskAsync(nameof(ListAsync), filter, false, pageSize, cursor, cancellationToken)
                .ConfigureAwait(false);
            foreach (var letter in page.Letters)
                yield return letter;
            cursor = page.Next;
        }
        while (cursor is not null);
    }

    /// <summary>
    /// How many there are of each cause, the most frequent first: the same connector, target and class of failure. Asks
    /// for page after page, so that it takes its time with many.
    /// </summary>
    public async ValueTask<IReadOnlyList<DeadLetterGroup>> CausesAsync(
        DeadLetterFilter? filter = null, CancellationToken cancellationToken = default)
    {
        var causes = new Dictionary<(string, string, string), DeadLetterGroup>();
        byte[]? cursor = null;
        do
        {
            var page = await AskAsync(nameof(CausesAsync), filter, true, CausesMax, cursor, cancellationToken)
                .ConfigureAwait(false);
            foreach (var group in page.Groups)
            {
                var key = (group.Connector, group.Target, group.Failure);
                causes[key] = causes.TryGetValue(key, out var known) ? Sum(known, group) : group;
            }

            cursor = page.Next;
        }
        while (cursor is not null);
        return [.. causes.Values.OrderByDescending(cause => cause.Count)];
    }

    /// <summary>Gives one its attempts once more. Returns when that is durable.</summary>
    /// <param name="occurrence">From 1.</param>
    /// <param name="hook">0 for the occurrence itself, else the place of the hook plus 1.</param>
    /// <exception cref="KaryaException">
    /// There is none (<see cref="ErrorCode.DeadLetterNotFound"/>): it was replayed already, say.
    /// </exception>
    public ValueTask ReplayAsync(
        Guid planId, long occurrence = 1, int hook = 0, CancellationToken cancellationToken = default) =>
        ChangeAsync(
            nameof(ReplayAsync), planId,
            new DeadLetterRequest(Uuids.ToNumber(planId), occurrence, hook, DeadLetterVerb.Replay), cancellationToken);

    /// <summary>Takes one off the list. Its task stays as failed, and can still be replayed by its key.</summary>
    /// <inheritdoc cref="ReplayAsync"/>
    public ValueTask DropAsync(
        Guid planId, long occurrence = 1, int hook = 0, CancellationToken cancellationToken = default) =>
        ChangeAsync(
            nameof(DropAsync), planId,
            new DeadLetterRequest(Uuids.ToNumber(planId), occurrence, hook, DeadLetterVerb.Drop), cancellationToken);

    /// <summary>
    /// Starts to replay all that a filter applies to. The cluster goes on with it whatever becomes of this process;
    /// <see cref="GetOperationAsync"/> tells how far it is.
    /// </summary>
    /// <param name="filter">Null for all.</param>
    /// <param name="spread">Evenly over this time, at most a week; null for as fast as it goes.</param>
    /// <param name="isDryRun">Only counts them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public ValueTask<OperationSnapshot> StartReplayAsync(
        DeadLetterFilter? filter, TimeSpan? spread = null, bool isDryRun = false,
        CancellationToken cancellationToken = default) =>
        StartAsync(
            nameof(StartReplayAsync), DeadLetterVerb.Replay, filter, Durations.ToMs(spread) ?? 0, isDryRun,
            cancellationToken);

    /// <summary>Starts to drop all that a filter applies to.</summary>
    /// <inheritdoc cref="StartReplayAsync"/>
    public ValueTask<OperationSnapshot> StartDropAsync(
        DeadLetterFilter? filter, bool isDryRun = false, CancellationToken cancellationToken = default) =>
        StartAsync(nameof(StartDropAsync), DeadLetterVerb.Drop, filter, 0, isDryRun, cancellationToken);

    /// <summary>Operations of the cluster: those that run, then those that ended last.</summary>
    /// <param name="limit">1 to 1,000.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<IReadOnlyList<OperationSnapshot>> GetOperationsAsync(
        int limit = 100, CancellationToken cancellationToken = default)
    {
        var reply = await _client.Link.AskAsync<OperationsRequest, OperationsReply>(
            Call.Read(nameof(GetOperationsAsync)), new OperationsRequest(null, Stops: false, limit),
            cancellationToken).ConfigureAwait(false);
        return reply.Operations;
    }

    /// <summary>How far an operation is.</summary>
    /// <exception cref="KaryaException">There is none (<see cref="ErrorCode.OperationNotFound"/>).</exception>
    public ValueTask<OperationSnapshot> GetOperationAsync(Guid id, CancellationToken cancellationToken = default) =>
        OneAsync(Call.Read(nameof(GetOperationAsync)), id, stops: false, cancellationToken);

    /// <summary>Asks an operation to stop; it does within seconds. What is done stays done.</summary>
    /// <inheritdoc cref="GetOperationAsync"/>
    public ValueTask<OperationSnapshot> StopOperationAsync(Guid id, CancellationToken cancellationToken = default) =>
        OneAsync(Call.Change(nameof(StopOperationAsync)), id, stops: true, cancellationToken);

    private static DeadLetterGroup Sum(DeadLetterGroup left, DeadLetterGroup right) => left with
    {
        Count = left.Count + right.Count,
        LastFailedMs = Math.Max(left.LastFailedMs ?? 0, right.LastFailedMs ?? 0),
    };

    private Task<DeadLettersReply> AskAsync(
        string operation, DeadLetterFilter? filter, bool isGrouped, int limit, byte[]? cursor,
        CancellationToken cancellationToken) =>
        _client.Link.AskAsync<DeadLettersRequest, DeadLettersReply>(
            Call.Read(operation),
            new DeadLettersRequest(filter ?? new DeadLetterFilter(), isGrouped, limit, cursor), cancellationToken);

    private async ValueTask ChangeAsync(
        string operation, Guid plan, DeadLetterRequest request, CancellationToken cancellationToken) =>
        await _client.Link.AskAsync<DeadLetterRequest, DeadLetterReply>(
            Call.Change(operation).Of(plan), request, cancellationToken).ConfigureAwait(false);

    private async ValueTask<OperationSnapshot> StartAsync(
        string operation, DeadLetterVerb verb, DeadLetterFilter? filter, long spreadMs, bool isDryRun,
        CancellationToken cancellationToken)
    {
        filter ??= new DeadLetterFilter();
        var reply = await _client.Link.AskAsync<StartOperationRequest, StartOperationReply>(
            Call.Once(operation, "It may have been started; look at the operations before you start another."),
            new StartOperationRequest(verb, filter, IsForAll: filter.IsEmpty, spreadMs, isDryRun), cancellationToken)
            .ConfigureAwait(false);
        return reply.Operation;
    }

    private async ValueTask<OperationSnapshot> OneAsync(
        Call call, Guid id, bool stops, CancellationToken cancellationToken)
    {
        var reply = await _client.Link.AskAsync<OperationsRequest, OperationsReply>(
            call, new OperationsRequest(id, stops, 1), cancellationToken).ConfigureAwait(false);
        return reply.Operations[0];
    }
}
