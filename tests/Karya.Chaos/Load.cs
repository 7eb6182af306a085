using System.Collections.Concurrent;
using System.Globalization;
using Karya.Client;
using Karya.Engine;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Karya.Simulation.Judging;
using PlanState = Karya.Engine.PlanState;

namespace Karya.Chaos;

/// <summary>
/// Clients that submit plans of all kinds, look at them, change them and cancel them, each connected to whatever node
/// answers; and a worker. They write down what they were told.
/// </summary>
internal sealed class Load : IAsyncDisposable
{
    private const int Clients = 4;

    /// <summary>
    /// A cancel is acknowledged some time before the client has read the answer, and a call is under way for a moment.
    /// </summary>
    private const long CancelToleranceUs = 200_000;

    private readonly string _target;
    private readonly int _seed;
    private readonly Ledger _ledger = new();
    private readonly Lock _writing = new();
    private readonly List<KaryaClient> _clients = [];
    private readonly ConcurrentQueue<(Guid Id, Order Order)> _recent = new();
    private readonly ConcurrentDictionary<int, Guid> _tasks = new();
    private readonly ConcurrentDictionary<int, int> _done = new();
    private readonly ConcurrentDictionary<int, long> _cascades = new();
    private readonly CancellationTokenSource _stop = new();
    private KaryaWorker? _worker;
    private Task _running = Task.CompletedTask;
    private int _names;

    /// <param name="addresses">Of the nodes.</param>
    /// <param name="target">Of the sink.</param>
    /// <param name="seed">Of what is asked for.</param>
    public Load(IReadOnlyList<string> addresses, string target, int seed)
    {
        _target = target;
        _seed = seed;
        for (int i = 0; i < Clients; i++)
        {
            int first = i % addresses.Count;
            string order = string.Join(',', addresses.Skip(first).Concat(addresses.Take(first)));
            _clients.Add(new KaryaClient(new KaryaClientOptions
            {
                Address = ServerAddress.Parse($"karya://{order}"),
                ClientName = string.Create(CultureInfo.InvariantCulture, $"chaos-{i}"),
            }));
        }
    }

    /// <summary>Only after <see cref="StopAsync"/>.</summary>
    public Ledger Ledger => _ledger;

    /// <summary>Whose plans are judged.</summary>
    public UserId User { get; private set; }

    /// <summary>Requests that failed, by what they were told.</summary>
    public ConcurrentDictionary<string, int> Refusals { get; } = new();

    /// <summary>Tasks for workers that were acknowledged.</summary>
    public int WorkerTasks => _tasks.Count;

    /// <summary>Those that no worker has carried out.</summary>
    public IReadOnlyList<Guid> TasksNotDone =>
        [.. _tasks.Where(task => !_done.ContainsKey(task.Key)).Select(task => task.Value)];

    /// <summary>When cancels of plans with children were acknowledged, in us, by number.</summary>
    public IReadOnlyDictionary<int, long> Cascades => _cascades;

    public async Task StartAsync()
    {
        var judged = await _clients[0].CreateUserAsync("judged");
        User = new UserId(Uuids.ToNumber(judged.Id));
        var other = await _clients[0].CreateUserAsync("other");
        _worker = _clients[^1].CreateWorker(tasks => tasks.MapTask<int>("chaos", async (n, _, stopping) =>
        {
            await Task.Delay(20, stopping);
            _done.AddOrUpdate(n, 1, (_, times) => times + 1);
        }));
        _worker.Start();
        _running = Task.WhenAll(Enumerable.Range(0, Clients).Select(
            i => Task.Run(() => RunAsync(_clients[i], judged.Id, other.Id, new Random(_seed + i)))));
    }

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (_worker is not null)
            await _worker.DisposeAsync();
        foreach (var client in _clients)
            await client.DisposeAsync();
        _stop.Dispose();
    }

    private async Task RunAsync(KaryaClient client, Guid judged, Guid other, Random random)
    {
        while (!_stop.IsCancellationRequested)
        {
            await (random.Next(20) switch
            {
                < 10 => SubmitAsync(client, judged, random),
                < 13 => LookAsync(client, random),
                < 15 => CancelAsync(client, random),
                < 16 => UpdateAsync(client, random),
                < 19 => SubmitTaskAsync(client, other),
                _ => CascadeAsync(client, other, random),
            });
            await Task.Delay(random.Next(20, 120), CancellationToken.None);
        }
    }

    private async Task SubmitAsync(KaryaClient client, Guid user, Random random)
    {
        int number = Interlocked.Increment(ref _names);
        var plan = PlanOf(user, number, random);
        Order order;
        lock (_writing)
            order = _ledger.Ordered(plan.ToMessage(default), plan.IdempotencyKey, Clock.NowUs, Clock.NowMs);
        var end = await AskAsync(async () =>
        {
            var handle = await client.SubmitAsync(plan);
            lock (_writing)
                Ledger.Acknowledged(order, Id(handle.Id), isDurable: true, Clock.NowUs, Clock.NowMs);
            _recent.Enqueue((handle.Id, order));
            if (_recent.Count > 200)
                _recent.TryDequeue(out _);
        });
        lock (_writing)
            Ledger.Ended(order, end, Clock.NowUs);
    }

    private Plan PlanOf(Guid user, int number, Random random)
    {
        var soon = TimeSpan.FromMilliseconds(random.Next(0, 4000));
        var now = DateTimeOffset.FromUnixTimeMilliseconds(Clock.NowMs);
        var schedule = random.Next(10) switch
        {
            < 4 => Schedule.After(soon),
            < 6 => Schedule.At(now + soon),
            < 9 => Schedule.Every(TimeSpan.FromMilliseconds(random.Next(300, 3000))) with
            {
                EndAt = now + TimeSpan.FromSeconds(random.Next(3, 20)),
            },
            _ => Schedule.Cron("* * * * *") with { EndAt = now + TimeSpan.FromSeconds(random.Next(60, 150)) },
        };
        int hooks = random.Next(4) == 0 ? random.Next(1, 3) : 0;
        return new Plan
        {
            Name = string.Create(CultureInfo.InvariantCulture, $"order {number}"),
            User = user,
            Schedule = schedule,
            Action = Call(random.Next(10) switch { 0 => "fail", < 3 => "slow", _ => "ok" }),
            MaxRetries = random.Next(3),
            RetryDelay = TimeSpan.FromMilliseconds(random.Next(50, 500)),
            RetryDelayMax = TimeSpan.FromSeconds(2),
            Missed = (MissedRuns)random.Next(3),
            Hooks = [.. Enumerable.Range(0, hooks).Select(_ => random.Next(2) == 0
                ? Hook.OnFailure(Call("ok"), maxRetries: 1) : Hook.OnCompletion(Call("ok"), maxRetries: 1))],
            IdempotencyKey = random.Next(2) == 0
                ? string.Create(CultureInfo.InvariantCulture, $"key {number}") : null,
        };
    }

    private KaryaAction Call(string path) => KaryaAction.Http(
        HttpMethod.Post, $"http://{_target}/{path}", timeout: TimeSpan.FromMilliseconds(Evidence.AttemptTimeoutMs));

    private async Task LookAsync(KaryaClient client, Random random)
    {
        if (Pick(random) is not { } known)
            return;
        long askedUs = Clock.NowUs;
        await AskAsync(async () =>
        {
            var seen = await client.GetAsync(known.Id);
            lock (_writing)
            {
                _ledger.Sights.Add(new Sight(
                    Id(known.Id), seen is null ? null : StateOf(seen), askedUs, Clock.NowUs));
            }
        });
    }

    private async Task CancelAsync(KaryaClient client, Random random)
    {
        if (Pick(random) is not { } known)
            return;
        Change change;
        lock (_writing)
            change = _ledger.Cancelled(Id(known.Id), Clock.NowUs);
        var end = await AskAsync(async () => await client.CancelAsync(known.Id));
        lock (_writing)
            Ledger.Ended(change, end, Clock.NowUs + CancelToleranceUs);
    }

    private async Task UpdateAsync(KaryaClient client, Random random)
    {
        if (Pick(random) is not { } known || known.Order.Terms.Schedule is not ScheduleMessage.Every)
            return;
        int retries = random.Next(4);
        Change change;
        lock (_writing)
            change = _ledger.Updated(Id(known.Id), periodMs: null, retries + 1, Clock.NowUs);
        var update = new Client.PlanUpdate { MaxRetries = retries };
        var end = await AskAsync(async () => await client.UpdateAsync(known.Id, update));
        lock (_writing)
            Ledger.Ended(change, end, Clock.NowUs);
    }

    private async Task SubmitTaskAsync(KaryaClient client, Guid user)
    {
        int number = Interlocked.Increment(ref _names);
        await AskAsync(async () =>
        {
            var handle = await client.SubmitAsync(
                new Plan { Name = "task", User = user, Action = KaryaAction.Task("chaos", number), MaxRetries = 20 });
            _tasks[number] = handle.Id;
        });
    }

    /// <summary>A plan that starts one, which is cancelled with it.</summary>
    private async Task CascadeAsync(KaryaClient client, Guid user, Random random)
    {
        int number = Interlocked.Increment(ref _names);
        var child = new Plan
        {
            Name = "child",
            User = user,
            Action = Call(string.Create(CultureInfo.InvariantCulture, $"ok/cascade/{number}")),
            Schedule = Schedule.Every(TimeSpan.FromMilliseconds(200)) with
            {
                EndAt = DateTimeOffset.FromUnixTimeMilliseconds(Clock.NowMs) + TimeSpan.FromSeconds(20),
            },
        };
        await AskAsync(async () =>
        {
            var parent = await client.SubmitAsync(new Plan { User = user, Action = KaryaAction.Chain(child) });
            await Task.Delay(random.Next(100, 1500));
            await parent.CancelAsync();
            _cascades[number] = Clock.NowUs + CancelToleranceUs;
        });
    }

    private (Guid Id, Order Order)? Pick(Random random)
    {
        var all = _recent.ToArray();
        return all.Length == 0 ? null : all[random.Next(all.Length)];
    }

    private async Task<RequestEnd> AskAsync(Func<Task> ask)
    {
        try
        {
            await ask();
            return RequestEnd.Acknowledged;
        }
        catch (KaryaException e)
        {
            Refusals.AddOrUpdate(e.Code.ToString(), 1, (_, times) => times + 1);
            bool isKnown = e is KaryaOverloadedException or KaryaConflictException or KaryaNotFoundException
                || e.Code is ErrorCode.NotOwner or ErrorCode.GoingAway or ErrorCode.TooManyInFlight;
            return isKnown ? RequestEnd.Refused : RequestEnd.Unknown;
        }
    }

    private static PlanState StateOf(PlanView seen) => Enum.Parse<PlanState>(seen.Plan.Status.ToString());

    private static PlanId Id(Guid id) => new(Uuids.ToNumber(id));
}
