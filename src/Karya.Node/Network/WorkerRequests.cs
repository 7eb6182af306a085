using System.Text;
using Karya.Node.Plans;
using Karya.Node.Workers;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Network;

/// <summary>
/// What a connection says as a worker. What this node's desk does not have may be another node's: the relay asks.
/// </summary>
/// <remarks>Of the reader's thread.</remarks>
/// <param name="relay">Null when there are no other nodes.</param>
internal sealed class WorkerRequests(Connection connection, WorkerDesk workers, WorkerRelay? relay)
{
    /// <summary>A node that asks for what is not here is not sent on: that might go round for ever.</summary>
    private WorkerRelay? Relay => connection.IsNode ? null : relay;

    private readonly HashSet<string> _names = new(StringComparer.Ordinal); // That it takes tasks of.
    private bool _isWorker;

    public void Subscribe(SubscribeRequest request, ulong tag)
    {
        if (Check(request) is { } refusal)
        {
            connection.Refuse(tag, refusal);
            return;
        }

        _isWorker = true;
        _names.UnionWith(request.Names.Where(one => one.Credits > 0).Select(one => one.Name));
        _names.ExceptWith(request.Names.Where(one => one.Credits == 0).Select(one => one.Name));
        connection.Answer(tag, new SubscribeReply((long)workers.Lease.TotalMilliseconds));
        foreach (var (name, credits) in request.Names)
            workers.Subscribe(connection, name, credits, connection.Node);
    }

    public void Finish(FinishRequest request, ulong tag)
    {
        var wait = new FinishWait(connection, tag);
        List<DeliveryEnd>? elsewhere = null;
        foreach (var end in request.Ends)
        {
            bool isReported = end.Outcome != DeliveryOutcome.Released;
            if (isReported)
                wait.Expect();
            if (workers.Finish(end, wait, end.Id))
                continue;
            if (Relay is not null)
            {
                if (!isReported)
                    wait.Expect();
                (elsewhere ??= []).Add(end);
                continue;
            }

            wait.NotHeld(end.Id);
            if (isReported)
                wait.EndOne();
        }

        if (elsewhere is not null)
            Relay!.Finish(elsewhere, wait);
        workers.EndOfTurn();
        wait.EndOne();
    }

    public void Extend(ExtendRequest request, ulong tag)
    {
        ulong[] notHeld = [.. request.Ids.Where(id => !workers.Extend(id))];
        if (notHeld.Length == 0 || Relay is not { } others)
            connection.Answer(tag, new ExtendReply(notHeld));
        else
            _ = ExtendElsewhereAsync(others, notHeld, tag);
    }

    public void SetProgress(ProgressRequest request, ulong tag)
    {
        bool isHeld = workers.SetProgress(request);
        if (isHeld || Relay is not { } others)
            connection.Answer(tag, new ProgressReply(isHeld));
        else
            _ = SetProgressElsewhereAsync(others, request, tag);
    }

    /// <summary>The connection has ended.</summary>
    public void Leave()
    {
        if (_isWorker)
            workers.Leave(connection);
    }

    private async Task ExtendElsewhereAsync(WorkerRelay to, ulong[] ids, ulong tag) =>
        connection.Answer(tag, new ExtendReply(await to.ExtendAsync(ids)));

    private async Task SetProgressElsewhereAsync(WorkerRelay to, ProgressRequest request, ulong tag) =>
        connection.Answer(tag, new ProgressReply(await to.SetProgressAsync(request)));

    private ErrorMessage? Check(SubscribeRequest request)
    {
        int news = request.Names.Count(one => one.Credits > 0 && !_names.Contains(one.Name));
        if (!connection.IsNode && _names.Count + news > ProtocolLimits.NamesPerWorkerMax)
        {
            return PeerErrors.Of(
                ErrorCode.OutOfRange,
                $"A connection takes tasks of at most {ProtocolLimits.NamesPerWorkerMax} names; it has "
                + $"{_names.Count} already.",
                "names");
        }

        var bad = request.Names.FirstOrDefault(one => !ActionChecks.IsTaskName(Encoding.UTF8.GetBytes(one.Name)));
        return bad is null
            ? null
            : PeerErrors.Of(
                ErrorCode.InvalidName,
                $"name is {Quoted.Shorten(bad.Name)}; 1 to {ProtocolLimits.TaskNameBytesMax} of a-z, 0-9, '.', '_' "
                + "and '-' are allowed.",
                "name");
    }
}
