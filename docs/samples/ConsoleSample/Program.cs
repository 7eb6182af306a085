using Karya.Client;

// Submits a plan, carries it out itself as a worker, and prints what came of it.
// dotnet run --project docs/samples/ConsoleSample -- karya://localhost:7070
string address = args.Length > 0 ? args[0] : "karya://localhost:7070";

try
{
    await using var karya = await KaryaClient.ConnectAsync(address);
    Console.WriteLine($"Connected to {karya.Node}.");

    // 1. A worker: at most two of these run here at once.
    var worker = karya.CreateWorker(tasks => tasks.MapTask<Order, Receipt>(
        "sample.ship", ShipAsync, concurrency: 2));
    worker.Start();

    // 2. A plan. Its key makes submitting repeatable: whoever is not sure whether it arrived may submit it again.
    var plan = await karya.SubmitAsync(new Plan
    {
        Name = "ship order 42",
        Action = KaryaAction.Task("sample.ship", new Order(42, ["tea", "cups"])),
        Schedule = Schedule.After(TimeSpan.FromSeconds(2)),
        MaxRetries = 5,
        IdempotencyKey = $"ship:42:{DateTimeOffset.UtcNow:yyyyMMddHHmmss}",
    });
    Console.WriteLine($"Plan {plan.Id}, {plan.Durability}{(plan.Existed ? ", was there already" : "")}.");

    // 3. What happens to it, until it has ended.
    await foreach (var task in plan.WatchAsync())
        Console.WriteLine($"  {task.Status}, attempt {task.Attempts}, {task.Progress:P0} {task.Note}");

    var last = await plan.WaitAsync(TimeSpan.FromSeconds(10));
    var receipt = await plan.GetResultAsync<Receipt>();
    Console.WriteLine($"{last.Status}, {last.Lateness.TotalMilliseconds:F1} ms late: {receipt}");

    // 4. Many plans: outcomes come back in order, and a bad plan does not sink the rest.
    var reminders = Enumerable.Range(1, 1000).Select(i => new Plan
    {
        Name = $"reminder {i}",
        Action = KaryaAction.Task("sample.ship", new Order(i, [])),
        Schedule = Schedule.After(TimeSpan.FromHours(1)),
        Id = Guid.CreateVersion7(),
    });
    var ids = new List<Guid>();
    await foreach (var outcome in karya.SubmitManyAsync(reminders))
    {
        if (outcome.Id is { } id)
            ids.Add(id);
        else
            await Console.Error.WriteLineAsync($"{outcome.Plan.Name}: {outcome.Error!.Message}");
    }

    foreach (var id in ids)
        await karya.CancelAsync(id);
    Console.WriteLine($"Submitted and cancelled {ids.Count} plans.");
    return 0;
}
catch (KaryaException e)
{
    await Console.Error.WriteLineAsync(e.Message);
    return 1;
}

static async Task<Receipt> ShipAsync(Order order, TaskContext context, CancellationToken cancellationToken)
{
    if (order.Items.Length == 0)
        throw new PermanentTaskException($"Order {order.Number} is empty."); // No retry would help.

    for (int i = 0; i < order.Items.Length; i++)
    {
        await Task.Delay(TimeSpan.FromMilliseconds(200), cancellationToken);
        context.ReportProgress((i + 1.0) / order.Items.Length, order.Items[i]);
    }

    return new Receipt(order.Number, order.Items.Length);
}

internal sealed record Order(int Number, string[] Items);

internal sealed record Receipt(int Number, int ItemCount);
