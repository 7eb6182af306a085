using System.Globalization;
using System.Threading.Channels;
using Karya.Node.Plans;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Karya.Node.Cluster;

/// <summary>
/// The board of a cluster in Redis: a hash with a field for each process, and a channel to wake each other.
/// </summary>
/// <remarks>
/// <code>
/// HGETALL {karya:main}:beats
///   node-a/5f0c3a91   1795790000 1 4711 1 1 0
///                     written at (s, Redis' clock), version, counter, weight, can own, draining
/// PUBLISH {karya:main}:wake ""
/// </code>
/// <para>
/// A script writes the node's own field and reads all in one round trip. It drops what was written an hour ago, by
/// Redis' own clock: that only tidies up, since who is alive is told by counters that rise, and who was dropped too
/// early is back with its next beat.
/// </para>
/// <para>
/// Nothing is kept for a server that is not there: what cannot be sent at once is not sent, and the next beat is. Each
/// beat also asks on the connection that wake-ups come by. That one is quiet for days, and when the network swallows
/// what is said there, only questions without an answer let the library see it and connect anew.
/// </para>
/// <para>One for each process. Thread-safe; who ends it ends those first that use it.</para>
/// </remarks>
internal sealed class RedisBoard : IClusterBoard, IAsyncDisposable
{
    private const int FormatVersion = 1;

    private const string BeatScript =
        """
        local now = tonumber(redis.call('TIME')[1])
        redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
        local all = redis.call('HGETALL', KEYS[1])
        for i = 1, #all, 2 do
          local written = tonumber(string.match(all[i + 1], '^%d+'))
          if written and now - written > 3600 then
            redis.call('HDEL', KEYS[1], all[i])
          end
        end
        return all
        """;

    /// <summary>Ages for a Redis, and still short beside a lease.</summary>
    private static readonly TimeSpan AnswerMaxDefault = TimeSpan.FromSeconds(1);

    private readonly TimeSpan _answerMax;
    private readonly ILogger _log;
    private readonly RedisKey _beats;
    private readonly RedisChannel _wake;
    private readonly Channel<bool> _wakeUps = Channel.CreateBounded<bool>(1); // More would say no more.
    private readonly Task _connecting;
    private readonly Task _waking;
    private volatile ConnectionMultiplexer? _connection; // Null until the first try to connect is over.
    private volatile Task _asking = Task.CompletedTask;
    private volatile bool _isGarbageKnown;
    private string? _trouble;

    /// <summary>Returns at once. Redis need not be there.</summary>
    /// <param name="configuration">
    /// As StackExchange.Redis takes it: <c>host:port,host:port,password=...,ssl=true</c>. A secret.
    /// </param>
    /// <param name="cluster">Its name: clusters of other names may use the same Redis.</param>
    /// <param name="log">Hears when trouble begins and when it is over.</param>
    /// <param name="answerMax">After this an answer is not waited for; by default 1 s.</param>
    /// <exception cref="ArgumentException">The configuration cannot be understood.</exception>
    public RedisBoard(string configuration, string cluster, ILogger log, TimeSpan? answerMax = null)
    {
        _answerMax = answerMax ?? AnswerMaxDefault;
        _log = log;
        _beats = $"{{karya:{cluster}}}:beats";
        _wake = RedisChannel.Literal($"{{karya:{cluster}}}:wake");
        var options = ConfigurationOptions.Parse(configuration);
        if (options.EndPoints.Count == 0)
            throw new ArgumentException("No server of Redis is named.", nameof(configuration));
        options.AbortOnConnectFail = false;
        options.BacklogPolicy = BacklogPolicy.FailFast;
        options.AsyncTimeout = (int)_answerMax.TotalMilliseconds;
        options.ConnectTimeout = (int)_answerMax.TotalMilliseconds;
        options.ReconnectRetryPolicy = new LinearRetry((int)_answerMax.TotalMilliseconds);
        options.IncludeDetailInExceptions = false;
        options.ClientName ??= "karya";
        _connecting = ConnectAsync(options);
        _waking = WakeAsync();
    }

    /// <summary>
    /// Hears of wake-ups, this node's own included, one after the other on a thread of the pool. However many come
    /// while it runs, it runs once more. It must not throw.
    /// </summary>
    public Action? Woken { get; set; }

    /// <summary>Whether there is a connection; it may have died without a word.</summary>
    public bool IsConnected => _connection is { IsConnected: true };

    /// <summary>What was wrong with the last beat, in a sentence; null when nothing was, or before the first.</summary>
    public string? Trouble => Volatile.Read(ref _trouble);

    public async Task<IReadOnlyList<Heartbeat>?> BeatAsync(Heartbeat mine, CancellationToken stopping)
    {
        if (_connection is not { } connection)
            return null;
        if (_asking.IsCompleted)
            _asking = AskAsync(connection.GetSubscriber());
        try
        {
            var answer = await connection.GetDatabase()
                .ScriptEvaluateAsync(
                    BeatScript, [_beats], [new NodeIdentity(mine.Name, mine.Incarnation).Owner, Write(mine)])
                .WaitAsync(_answerMax, stopping);
            var heartbeats = Read((RedisResult[])answer!);
            Note(trouble: null);
            return heartbeats;
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        catch (Exception e) when (IsOutage(e))
        {
            Note(Describe(e));
            return null;
        }
    }

    public void WakeAll()
    {
        try
        {
            if (_connection is { IsConnected: true } connection)
                connection.GetSubscriber().Publish(_wake, RedisValue.EmptyString, CommandFlags.FireAndForget);
        }
        catch (Exception e) when (IsOutage(e))
        {
            // Others look by themselves before long.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _connecting;
        await _connection!.DisposeAsync();
        await _asking;
        _wakeUps.Writer.Complete();
        await _waking;
    }

    /// <summary>Succeeds also when there is no Redis yet: the connection goes on trying by itself.</summary>
    private async Task ConnectAsync(ConfigurationOptions options)
    {
        var connection = await ConnectionMultiplexer.ConnectAsync(options);
        var messages = await connection.GetSubscriber().SubscribeAsync(_wake, CommandFlags.FireAndForget);
        messages.OnMessage(_ => _wakeUps.Writer.TryWrite(true)); // Refused when one is waiting.
        _connection = connection;
    }

    private async Task WakeAsync()
    {
        await foreach (bool _ in _wakeUps.Reader.ReadAllAsync())
            Woken?.Invoke();
    }

    private async Task AskAsync(ISubscriber subscriber)
    {
        try
        {
            await subscriber.PingAsync().WaitAsync(_answerMax);
        }
        catch (Exception e) when (IsOutage(e))
        {
            // The library has counted it.
        }
    }

    private static bool IsOutage(Exception e) =>
        e is RedisException or RedisCommandException or TimeoutException or ObjectDisposedException;

    private void Note(string? trouble)
    {
        string? before = Interlocked.Exchange(ref _trouble, trouble);
        if (trouble is not null && before is null)
            ClusterLog.BoardLost(_log, trouble);
        else if (trouble is null && before is not null)
            ClusterLog.BoardFound(_log);
    }

    /// <summary>
    /// Why there is no connection is what the library has kept of its attempts: mostly the cause, but a wrong password
    /// may read as an attempt that was cancelled.
    /// </summary>
    private string Describe(Exception e)
    {
        string what = e switch
        {
            TimeoutException => string.Create(
                CultureInfo.InvariantCulture, $"Redis did not answer within {_answerMax.TotalMilliseconds} ms"),
            RedisServerException => $"Redis refuses heartbeats ({Quoted.Shorten(e.Message)})",
            _ => $"There is no connection to Redis ({Quoted.Shorten(WithoutVersion(e.GetBaseException().Message))})",
        };
        return $"{what}, so that no partition is moved to a node that has too few.";
    }

    /// <summary>The library appends its own, which helps nobody who has lost a Redis.</summary>
    private static string WithoutVersion(string message) =>
        message.IndexOf(", v: ", StringComparison.Ordinal) is >= 0 and var at ? message[..at] : message;

    private static string Write(in Heartbeat beat) => string.Create(
        CultureInfo.InvariantCulture,
        $"{FormatVersion} {beat.Counter} {beat.Weight} {(beat.CanOwn ? 1 : 0)} {(beat.IsDraining ? 1 : 0)}");

    /// <summary>What cannot be read is not from a node of this version, and says nothing.</summary>
    private List<Heartbeat> Read(RedisResult[] fields)
    {
        var heartbeats = new List<Heartbeat>(fields.Length / 2);
        string? garbage = null;
        for (int i = 0; i + 1 < fields.Length; i += 2)
        {
            if (TryRead((string?)fields[i], (string?)fields[i + 1], out var heartbeat))
                heartbeats.Add(heartbeat);
            else
                garbage ??= Quoted.Shorten((string?)fields[i]);
        }

        if (garbage is not null && !_isGarbageKnown)
            ClusterLog.NoHeartbeat(_log, garbage, _beats.ToString());
        _isGarbageKnown = garbage is not null; // The next is news again when there was a look without any.
        return heartbeats;
    }

    private static bool TryRead(string? owner, string? text, out Heartbeat heartbeat)
    {
        heartbeat = default;
        int slash = owner?.LastIndexOf('/') ?? -1;
        string[] parts = text?.Split(' ') ?? [];
        if (slash <= 0 || slash == owner!.Length - 1 || parts.Length != 6)
            return false;
        long[] numbers = new long[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            if (!long.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
                return false;
        }

        bool isKnown = numbers[1] == FormatVersion && numbers[3] is >= 1 and <= int.MaxValue
            && numbers[4] <= 1 && numbers[5] <= 1;
        if (!isKnown)
            return false;
        heartbeat = new Heartbeat(
            owner[..slash], owner[(slash + 1)..], numbers[2], (int)numbers[3], numbers[4] == 1, numbers[5] == 1);
        return true;
    }
}
