using System.Runtime.CompilerServices;
using Karya.Client.Connections;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Plans;

/// <summary>Cuts plans into batches, has a few of them on their way at once, and puts the outcomes in order.</summary>
internal sealed class BulkSubmit
{
    /// <summary>
    /// Of a batch: large enough to cost little per plan, and far enough below the frame limit of 4 MiB for any header.
    /// </summary>
    private const int BytesMax = 1024 * 1024;

    private readonly KaryaClient _client;
    private readonly SubmitManyOptions _options;
    private readonly FrameWriter _scale = new();

    private readonly List<Item> _batch = [];
    private int _batchBytes;

    public BulkSubmit(KaryaClient client, SubmitManyOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.BatchSize, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.BatchSize, ProtocolLimits.PlansPerRequestMax);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxBatchesInFlight, 1);
        _client = client;
        _options = options;
    }

    public static Call CallFor(string operation, bool isRepeatable) => isRepeatable
        ? new Call(
            operation, true,
            "The plan may or may not be stored; submitting it again with the same id or idempotency key is safe.")
        : Call.Once(
            operation,
            "The plan may or may not be stored, and submitting it again may store it twice. " +
            "Give plans an Id or an IdempotencyKey to make that safe.");

    public async IAsyncEnumerable<SubmitOutcome> RunAsync(
        IAsyncEnumerable<Plan> plans, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // What has been cut is in here, in order; each holds its outcomes, or will.
        var sent = new Queue<Task<SubmitOutcome[]>>();
        long index = 0;
        await foreach (var plan in plans.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            var item = await EncodeAsync(plan, index++, cancellationToken).ConfigureAwait(false);
            if (!Fits(item))
                sent.Enqueue(SendAsync(cancellationToken));
            _batch.Add(item);
            _batchBytes += item.Bytes;

            while (sent.Count >= _options.MaxBatchesInFlight || (sent.Count > 0 && sent.Peek().IsCompleted))
            {
                foreach (var outcome in await sent.Dequeue().ConfigureAwait(false))
                    yield return outcome;
            }
        }

        if (_batch.Count > 0)
            sent.Enqueue(SendAsync(cancellationToken));
        while (sent.TryDequeue(out var outcomes))
        {
            foreach (var outcome in await outcomes.ConfigureAwait(false))
                yield return outcome;
        }
    }

    /// <summary>A batch is of one durability, because a request is.</summary>
    private bool Fits(in Item next)
    {
        int bytesMax = Math.Min(
            BytesMax, (_client.Link.Current?.Welcome.Limits.FrameLengthMax ?? BytesMax) - Item.Overhead);
        return _batch.Count == 0 ||
            (_batch.Count < _options.BatchSize && _batchBytes + next.Bytes <= bytesMax &&
                _batch[0].Plan.Durability == next.Plan.Durability);
    }

    /// <summary>
    /// A plan that cannot be put into words has its outcome already; it keeps its place in the batch.
    /// </summary>
    private async ValueTask<Item> EncodeAsync(Plan plan, long index, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var user = await _client.OwnerAsync(plan, cancellationToken).ConfigureAwait(false);
        try
        {
            var message = plan.ToMessage(user);
            _scale.Clear();
            message.Write(_scale);
            var keyed = new KeyedPlan(message, plan.IdempotencyKey);
            return new Item(index, plan, keyed, _scale.Length + Item.Overhead, null);
        }
        catch (ArgumentException e)
        {
            return new Item(index, plan, null, 0, new KaryaException(ErrorCode.Malformed, e.Message, e.ParamName));
        }
    }

    private Task<SubmitOutcome[]> SendAsync(CancellationToken cancellationToken)
    {
        Item[] batch = [.. _batch];
        _batch.Clear();
        _batchBytes = 0;
        return SendAsync(batch, cancellationToken);
    }

    private async Task<SubmitOutcome[]> SendAsync(Item[] batch, CancellationToken cancellationToken)
    {
        var sound = Array.FindAll(batch, item => item.Error is null);
        var outcomes = Array.ConvertAll(batch, item => item.Refused(item.Error!));
        if (sound.Length == 0)
            return outcomes;

        SubmitManyReply? reply = null;
        KaryaException? failure = null;
        try
        {
            reply = await _client.Link.AskAsync<SubmitManyRequest, SubmitManyReply>(
                CallFor(nameof(KaryaClient.SubmitManyAsync), Array.TrueForAll(sound, item => item.Plan.IsRepeatable)),
                new SubmitManyRequest(batch[0].Plan.Durability, Array.ConvertAll(sound, item => item.Message!)),
                cancellationToken).ConfigureAwait(false);
            if (reply.Results.Count != sound.Length)
            {
                failure = new KaryaConnectionException(
                    ErrorCode.Unknown, $"{reply.Results.Count} results came for {sound.Length} plans.");
            }
        }
        catch (KaryaException e)
        {
            failure = e;
        }

        for (int i = 0; i < sound.Length; i++)
        {
            outcomes[sound[i].Index - batch[0].Index] = failure is null
                ? sound[i].Answered(reply!.Results[i], reply.Durability)
                : sound[i].Refused(failure);
        }

        return outcomes;
    }

    private readonly record struct Item(long Index, Plan Plan, KeyedPlan? Message, int Bytes, KaryaException? Error)
    {
        /// <summary>The longest key, and what stands around each plan.</summary>
        public const int Overhead = ProtocolLimits.KeyBytesMax + 16;

        public SubmitOutcome Refused(KaryaException error) => new(Index, Plan, null, false, Plan.Durability, error);

        public SubmitOutcome Answered(SubmitResult result, Durability durability) => result.Error is { } error
            ? Refused(Errors.Refusals.ToException(error, null))
            : new SubmitOutcome(Index, Plan, Uuids.ToGuid(result.Plan), result.Existed, durability, null);
    }
}
