using Karya.Client;

// An application that hands work to the cluster, and carries it out. The address is the connection string "karya":
// ConnectionStrings__karya=karya://localhost:7070 dotnet run --project docs/samples/WebSample
var builder = WebApplication.CreateBuilder(args);
builder.AddKaryaClient("karya")
    .AddWorker(tasks => tasks.AddTask<WebSample.ResizeImage>(), options => options.Concurrency = 8);
builder.Services.AddSingleton<WebSample.ImageStore>();
builder.Services.AddHealthChecks().AddKarya(tags: ["ready"]);

var app = builder.Build();
app.MapHealthChecks("/health/ready");

// POST /images/7?width=64 answers with the plan's id; the same image and width is the same plan.
app.MapPost("/images/{id:int}", async (int id, int width, KaryaClient karya, CancellationToken cancellationToken) =>
{
    try
    {
        var plan = await karya.SubmitAsync(
            new Plan
            {
                Name = $"resize image {id}",
                Action = KaryaAction.Task("resize-image", new WebSample.ResizeArgs(id, width), TimeSpan.FromMinutes(1)),
                IdempotencyKey = $"resize:{id}:{width}",
            },
            cancellationToken);
        return Results.Accepted($"/plans/{plan.Id}", new { plan.Id, plan.Existed });
    }
    catch (KaryaOverloadedException e)
    {
        return Results.Problem(e.Message, statusCode: 503, extensions: new Dictionary<string, object?>
        {
            ["retryAfterMs"] = e.RetryAfter.TotalMilliseconds,
        });
    }
});

app.MapGet("/plans/{id:guid}", async (Guid id, KaryaClient karya, CancellationToken cancellationToken) =>
    await karya.GetAsync(id, cancellationToken) is { } view
        ? Results.Ok(new { view.Plan.Name, view.Plan.Status, view.Task.Progress, view.Task.Note })
        : Results.NotFound());

await app.RunAsync();
